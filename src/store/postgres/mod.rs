//! PostgreSQL, for many replicas of the service and for high availability that others provide.

mod combined;
mod driver;
mod errors;
mod hosts;
mod migrate;
mod open;
mod pool;
mod session;
mod url;
mod values;

pub use migrate::migrate;
pub use open::{OpenError, Settings, check, open};
pub use url::{Url, UrlError};
