use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::*;

fn at(address: SocketAddr) -> ListenOptions {
    ListenOptions::from(ListenAddress::Tcp(address))
}

fn any() -> ListenOptions {
    at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

#[test]
fn a_second_listener_on_the_same_port_fails_loudly_even_with_reuse_port() {
    let options = SocketOptions::default();
    let first = Bound::new(0, &any(), &options).unwrap();
    let taken = at(first.address().tcp().unwrap());
    assert_eq!(Bound::new(0, &taken, &options).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let sharing = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    sharing.set_reuse_port(true).unwrap();
    sharing.set_reuse_address(true).unwrap();
    sharing.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    sharing.listen(1).unwrap();
    let shared = at(sharing.local_addr().unwrap().as_socket().unwrap());
    assert_eq!(Bound::new(0, &shared, &options).unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn accepted_sockets_inherit_the_options_of_the_listener() {
    let options = SocketOptions { user_timeout: Duration::from_secs(7), ..SocketOptions::default() };
    let listener = Bound::new(0, &any(), &options).unwrap();
    let _client = TcpStream::connect(listener.address().tcp().unwrap()).unwrap();
    let (accepted, _) = listener.socket.accept().unwrap();
    let socket = SockRef::from(&accepted);
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
    assert_eq!(usize::try_from(socket.tcp_notsent_lowat().unwrap()).unwrap(), options.unsent);
    assert_eq!(socket.tcp_keepalive_time().unwrap(), options.keepalive);
}
