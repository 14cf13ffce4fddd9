//! What the service asks SQLite for, and how much work each statement was.
//!
//! SQLite runs a function whenever a connection is opened, and another whenever a statement is done; it counts the work of
//! each itself. So what is counted is what the service runs, with its values.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, Once};

use rusqlite::ffi;

use super::everything::in_one_line;

/// The work of the statements of one store.
pub type Observed = &'static Mutex<BTreeMap<String, Work>>;

/// What SQLite counted for one statement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// How often it was run.
    pub runs: u32,
    /// The most that one run took of each of [`COUNTERS`].
    pub most: [i32; COUNTERS.len()],
}

/// What is counted.
pub const COUNTERS: [(&str, c_int); 4] = [
    ("steps through a table", ffi::SQLITE_STMTSTATUS_FULLSCAN_STEP),
    ("sorts", ffi::SQLITE_STMTSTATUS_SORT),
    ("rows of an automatic index", ffi::SQLITE_STMTSTATUS_AUTOINDEX),
    ("operations", ffi::SQLITE_STMTSTATUS_VM_STEP),
];

static STORES: Mutex<Vec<(PathBuf, Observed)>> = Mutex::new(Vec::new());

/// Observes whatever is asked of the store in that file from now on, by connections that are opened from now on.
pub fn observe(path: &Path) -> Observed {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        #[expect(unsafe_code, reason = "SQLite is observed by functions of C")]
        // SAFETY: the function is one for connections, and opens none itself.
        let registered = unsafe { ffi::sqlite3_auto_extension(Some(opened)) };
        assert_eq!(registered, ffi::SQLITE_OK);
    });
    let observed: Observed = Box::leak(Box::default());
    STORES.lock().unwrap().push((path.canonicalize().unwrap(), observed));
    observed
}

/// A connection was opened.
#[expect(unsafe_code, reason = "SQLite is observed by functions of C")]
unsafe extern "C" fn opened(
    connection: *mut ffi::sqlite3,
    _: *mut *mut c_char,
    _: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: the connection is SQLite's own, and the name is valid for as long as it is open.
    let name = unsafe { ffi::sqlite3_db_filename(connection, c"main".as_ptr()) };
    if name.is_null() {
        return ffi::SQLITE_OK;
    }
    // SAFETY: it ends with a zero.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let stores = STORES.lock().unwrap();
    let Some((_, observed)) = stores.iter().find(|(path, _)| path.as_path() == Path::new(&*name)) else {
        return ffi::SQLITE_OK;
    };
    let context = ptr::from_ref::<Mutex<BTreeMap<String, Work>>>(observed).cast_mut().cast();
    // SAFETY: what is pointed to is never freed.
    unsafe { ffi::sqlite3_trace_v2(connection, ffi::SQLITE_TRACE_PROFILE, Some(done), context) }
}

/// A statement was run to its end.
#[expect(unsafe_code, reason = "SQLite is observed by functions of C")]
unsafe extern "C" fn done(_: c_uint, observed: *mut c_void, statement: *mut c_void, _: *mut c_void) -> c_int {
    let statement: *mut ffi::sqlite3_stmt = statement.cast();
    // SAFETY: it is what `opened` gave.
    let observed = unsafe { &*observed.cast::<Mutex<BTreeMap<String, Work>>>() };
    // SAFETY: the statement is SQLite's own, and lives longer than this call.
    let text = unsafe { CStr::from_ptr(ffi::sqlite3_sql(statement)) }.to_string_lossy();
    let mut observed = observed.lock().unwrap();
    let work = observed.entry(in_one_line(&text)).or_default();
    work.runs += 1;
    for (most, (_, counter)) in work.most.iter_mut().zip(COUNTERS) {
        // SAFETY: as above. The next run begins at nothing.
        let counted = unsafe { ffi::sqlite3_stmt_status(statement, counter, 1) };
        *most = counted.max(*most);
    }
    ffi::SQLITE_OK
}
