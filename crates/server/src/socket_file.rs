//! The file of a Unix socket: made, guarded and removed by the node that listens there.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fanfare_protocol::limits::{SOCKET_DIRECTORY_LOCK_TIMEOUT, SOCKET_DIRECTORY_LOOK};
use socket2::{Domain, SockAddr, Socket, Type};

/// A file that is ours. Removed when it is dropped, which has to be before its socket is closed: an open socket keeps the number of
/// its inode from being another's.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Binds at this path and listens, with these permissions. What a dead process left there is removed.
    ///
    /// # Errors
    /// Those of the operating system; `AddrInUse` where somebody listens there, `AlreadyExists` where the file is no socket.
    pub(crate) fn listen(path: &Path, mode: u32, backlog: i32) -> io::Result<(Self, Socket)> {
        // Two nodes that start at once could each take the other's for dead, before it listens.
        let _lock = lock_directory(path).map_err(|error| said("its directory", &error))?;
        let address = SockAddr::unix(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                remove_dead(path, &address)?;
                socket.bind(&address)?;
            }
            bound => bound?,
        }
        let metadata = fs::symlink_metadata(path)?;
        let file = Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() };
        // Before it listens nobody can connect, whatever the umask has left.
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        socket.listen(backlog)?;
        Ok((file, socket))
    }

    /// Whoever connects from now on finds nothing. Another file that stands at this path meanwhile is left alone.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let is_ours = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode);
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if is_ours(&metadata) => fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What stays is removed by the next node that listens there.
        let _ = self.remove();
    }
}

/// Removes a socket at which nobody listens.
fn remove_dead(path: &Path, address: &SockAddr) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "there is a file that is no socket, and it is left alone",
        ));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Where the queue is full a blocking one would wait.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::new(ErrorKind::AddrInUse, "a process listens there")),
    }
}

/// Keeps other nodes from looking at, making and removing files in the directory of this one, until it is dropped.
fn lock_directory(path: &Path) -> io::Result<File> {
    let directory = File::open(path.parent().unwrap_or_else(|| Path::new("/")))?;
    for _ in 0..SOCKET_DIRECTORY_LOCK_TIMEOUT.as_millis() / SOCKET_DIRECTORY_LOOK.as_millis() {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(SOCKET_DIRECTORY_LOOK),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::WouldBlock, "another process keeps it locked"))
}

fn said(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests;
