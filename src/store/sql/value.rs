//! Values of statements, and how each type of the domain is stored.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::access_token::TokenId;
use crate::domain::caller::CallerKind;
use crate::domain::change_event::Position;
use crate::domain::credential::{ChangeId, ChangedBy, ExpectedVersion, Revision, Version};
use crate::domain::delivery::DeliveryPhase;
use crate::domain::names::{InstanceId, PepperKeyId, Region, TenantName};
use crate::domain::subject::{InstanceStatus, SubjectId, SubjectKind};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;

/// A value. Booleans are integers.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Shows only the type: values are hashes and names.
impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Null => "Null",
            Self::Integer(_) => "Integer",
            Self::Text(_) => "Text",
            Self::Bytes(_) => "Bytes",
        })
    }
}

/// Declares how types are stored.
macro_rules! stored {
    ($($variant:ident { $($type:ty, $value:ident => $form:expr;)+ })+) => {
        $($(
            impl From<$type> for Value {
                fn from($value: $type) -> Self {
                    Self::$variant($form)
                }
            }
        )+)+
    };
}

stored! {
    Integer {
        i64, number => number;
        u32, number => number.into();
        bool, is => is.into();
        Timestamp, time => time.as_micros();
        Duration, length => saturating(length.as_micros());
        Version, version => saturating(version.number());
        ExpectedVersion, version => saturating(version.0);
        Revision, revision => saturating(revision.0);
        Position, position => saturating(position.0);
    }
    Text {
        String, text => text;
        &String, text => text.clone();
        &str, text => text.to_owned();
        &TenantName, name => name.as_str().to_owned();
        &InstanceId, id => id.as_str().to_owned();
        &PepperKeyId, id => id.as_str().to_owned();
        &Region, region => region.as_str().to_owned();
        Uuid, id => id.to_string();
        TenantId, id => id.to_string();
        SubjectId, id => id.to_string();
        TokenId, id => id.0.to_string();
        ChangeId, id => id.0.to_string();
        SubjectKind, kind => kind.as_str().to_owned();
        CallerKind, kind => kind.as_str().to_owned();
        ChangedBy, by => by.as_str().to_owned();
        InstanceStatus, status => status.as_str().to_owned();
        DeliveryPhase, phase => phase.as_str().to_owned();
    }
    Bytes {
        &[u8], bytes => bytes.to_owned();
        [u8; 32], bytes => bytes.to_vec();
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// No version, position or length of time reaches the maximum.
fn saturating(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
