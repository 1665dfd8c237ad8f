use std::num::NonZeroU32;

use super::*;
use crate::options::RefusalPolicy;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

fn options() -> AdmissionOptions {
    AdmissionOptions {
        refusal: RefusalPolicy::Polite,
        max_connections: 100,
        per_address: None,
        connects_per_second: None,
    }
}

fn admission(options: AdmissionOptions) -> Arc<Admission> {
    Arc::new(Admission::new(options, 2, Random::seeded(1), Instant::now()))
}

fn reason(outcome: Result<SessionPermit, Refused>) -> Option<Reason> {
    outcome.err().map(|refusal| refusal.reason)
}

#[test]
fn a_place_is_given_back_when_its_permit_is_dropped() {
    let admission = admission(AdmissionOptions { max_connections: 1, ..options() });
    let first = admission.open(A).unwrap();
    let second = admission.open(A).unwrap();
    assert_eq!(reason(admission.admit(&second, Instant::now())), Some(Reason::Connections));
    drop(first);
    assert_eq!(reason(admission.admit(&second, Instant::now())), None);
    drop(second);
    assert_eq!(admission.sockets(), 0);
    assert_eq!(admission.refused(Reason::Connections), 1);
}

#[test]
fn sockets_beyond_the_headroom_are_not_served_at_all() {
    let admission = admission(AdmissionOptions { max_connections: 0, ..options() });
    let held: Vec<_> = (0..CONNECTIONS_HEADROOM).map(|_| admission.open(A).unwrap()).collect();
    assert_eq!(admission.open(A).unwrap_err(), Reason::Overflow);
    drop(held);
    assert!(admission.open(A).is_ok());
}

#[test]
fn one_address_cannot_take_the_places_of_another() {
    let admission = admission(AdmissionOptions { per_address: Some(2), ..options() });
    let held: Vec<_> = (0..3).map(|_| admission.open(A).unwrap()).collect();
    assert_eq!(reason(admission.admit(&held[2], Instant::now())), Some(Reason::Address));
    let other = admission.open(B).unwrap();
    assert_eq!(reason(admission.admit(&other, Instant::now())), None);
    drop((held, other));
    assert_eq!(admission.addresses.as_ref().unwrap().len(), 0, "no memory of addresses without a socket");
}

#[test]
fn subscriptions_above_the_rate_are_refused() {
    let rate = NonZeroU32::new(1);
    let admission = admission(AdmissionOptions { connects_per_second: rate, ..options() });
    let (one, now) = (admission.open(A).unwrap(), Instant::now());
    assert_eq!(reason(admission.admit(&one, now)), None);
    assert_eq!(reason(admission.admit(&one, now)), Some(Reason::Rate));
}

#[test]
fn a_draining_node_refuses_everybody_for_at_least_five_seconds() {
    let admission = admission(options());
    let one = admission.open(A).unwrap();
    admission.begin_drain();
    for _ in 0..50 {
        let refusal = admission.admit(&one, Instant::now()).unwrap_err();
        assert_eq!(refusal.reason, Reason::Draining);
        assert!((5..=15).contains(&refusal.retry.as_secs()), "{refusal:?}");
    }
}

/// Asks again for two minutes, whenever it may.
fn longest_retry(mut ask: impl FnMut(Instant) -> Refused) -> Duration {
    let start = Instant::now();
    let (mut at, mut longest) = (Duration::ZERO, Duration::ZERO);
    while at < Duration::from_secs(120) {
        let Refused { retry, .. } = ask(start + at);
        longest = longest.max(retry);
        at += retry;
    }
    longest
}

// Seen to fail when every refusal lengthens the retry time of its address.
#[test]
fn an_outage_or_a_full_node_lengthens_nobodys_retry_time() {
    let bound = Duration::from_secs(15);
    let full = admission(AdmissionOptions { max_connections: 0, ..options() });
    let one = full.open(A).unwrap();
    assert!(longest_retry(|now| full.admit(&one, now).unwrap_err()) <= bound);
    let rate = NonZeroU32::new(1);
    let busy = admission(AdmissionOptions { connects_per_second: rate, ..options() });
    let one = busy.open(A).unwrap();
    let asked = |now| {
        let _others = busy.admit(&one, now).unwrap();
        busy.admit(&one, now).unwrap_err()
    };
    assert!(longest_retry(asked) <= bound);
    let without_a_store = admission(options());
    assert!(longest_retry(|_| without_a_store.refuse(Reason::Unavailable)) <= bound);
}

#[test]
fn an_address_that_has_too_much_open_stays_away_for_longer_each_time_and_nobody_else_does() {
    let admission = admission(AdmissionOptions { per_address: Some(0), ..options() });
    let [one, other] = [A, B].map(|address| admission.open(address).unwrap());
    assert!(longest_retry(|now| admission.admit(&one, now).unwrap_err()) > Duration::from_secs(20));
    assert!(admission.admit(&other, Instant::now()).unwrap_err().retry <= Duration::from_secs(10));
}

#[test]
fn sockets_are_spread_over_the_cores_by_load() {
    let admission = admission(options());
    let mut held: Vec<_> = (0..4).map(|_| admission.open(A).unwrap()).collect();
    assert_eq!(held.iter().filter(|permit| permit.core() == 0).count(), 2);
    held.retain(|permit| permit.core() == 0);
    assert_eq!(admission.open(A).unwrap().core(), 1);
}

#[test]
fn a_socket_may_have_several_sessions_and_each_is_counted_until_its_permit_is_dropped() {
    let admission = admission(options());
    let socket = admission.open(A).unwrap();
    let [first, second] = [(), ()].map(|()| admission.admit(&socket, Instant::now()).unwrap());
    assert_eq!((admission.sockets(), admission.sessions()), (1, 2));
    drop(first);
    assert_eq!((admission.sockets(), admission.sessions()), (1, 1));
    drop(socket);
    assert_eq!((admission.sockets(), admission.sessions()), (0, 1), "the stream of a connection that is going away");
    drop(second);
    assert_eq!(admission.sessions(), 0);
}

#[test]
fn a_session_that_goes_on_with_its_socket_is_counted_once_by_address_until_it_ends() {
    let admission = admission(AdmissionOptions { per_address: Some(1), ..options() });
    let socket = admission.open(A).unwrap();
    let mut session = admission.admit(&socket, Instant::now()).unwrap();
    let place = socket.into_session(&mut session);
    let next = admission.open(A).unwrap();
    assert_eq!(reason(admission.admit(&next, Instant::now())), Some(Reason::Address));
    drop(place);
    assert_eq!(reason(admission.admit(&next, Instant::now())), Some(Reason::Address), "the session is still there");
    drop(session);
    assert_eq!(reason(admission.admit(&next, Instant::now())), None);
}

#[test]
fn counters_are_in_the_order_of_the_reasons() {
    for (place, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(place, reason as usize, "{}", reason.as_str());
    }
}
