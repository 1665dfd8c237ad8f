use std::num::NonZeroU32;

use super::*;
use crate::options::{ProxyOptions, RefusalPolicy};

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

fn options() -> AdmissionOptions {
    AdmissionOptions {
        refusal: RefusalPolicy::Polite,
        max_connections: 100,
        per_address: None,
        connects_per_second: None,
        proxies: ProxyOptions::default(),
        ..AdmissionOptions::default()
    }
}

fn admission(options: AdmissionOptions) -> Arc<Admission> {
    Arc::new(Admission::new(options, 2, Random::seeded(1), Instant::now()))
}

fn behind_a_proxy(per_address: usize) -> Arc<Admission> {
    let proxies = ProxyOptions { trusted: vec!["10.0.0.0/8".parse().unwrap()], ..ProxyOptions::default() };
    admission(AdmissionOptions { per_address: Some(per_address), proxies, ..options() })
}

fn reason<T>(outcome: Result<T, Refused>) -> Option<Reason> {
    outcome.err().map(|refusal| refusal.reason)
}

#[test]
fn a_place_is_given_back_when_its_permit_is_dropped() {
    let admission = admission(AdmissionOptions { max_connections: 1, ..options() });
    let first = admission.open(A).unwrap();
    let second = admission.open(A).unwrap();
    assert_eq!(reason(admission.admit(&second.carrier(), A, Instant::now())), Some(Reason::Connections));
    drop(first);
    assert_eq!(reason(admission.admit(&second.carrier(), A, Instant::now())), None);
    drop(second);
    assert_eq!(admission.sockets(), 0);
    assert_eq!(admission.refused(Reason::Connections), 1);
}

// Seen to fail when only sockets are bounded: over HTTP/2 one of them carries hundreds of sessions.
#[test]
fn sessions_over_one_socket_are_bounded_as_sockets_are() {
    let admission = admission(AdmissionOptions { max_connections: 3, per_address: Some(2), ..options() });
    let mut socket = admission.open(A).unwrap();
    socket.share();
    let admit = |client| admission.admit(&socket.carrier(), client, Instant::now());
    let own = [admit(A).unwrap(), admit(A).unwrap()];
    assert_eq!(reason(admit(A)), Some(Reason::Address), "as many as without sharing");
    let third = admit(B).unwrap();
    assert_eq!(reason(admit(B)), Some(Reason::Connections));
    drop(own);
    assert_eq!(admission.sessions(), 1);
    assert!(admit(A).is_ok());
    drop(third);
    assert_eq!((admission.sessions(), admission.sockets()), (0, 1));
}

#[test]
fn sockets_beyond_the_headroom_are_not_served_at_all() {
    let admission = admission(AdmissionOptions { max_connections: 0, headroom: 10, ..options() });
    let held: Vec<_> = (0..10).map(|_| admission.open(A).unwrap()).collect();
    assert_eq!(admission.open(A).unwrap_err(), Reason::Overflow);
    assert!(!admission.has_room());
    drop(held);
    assert!(admission.open(A).is_ok() && admission.has_room());
}

#[test]
fn a_socket_goes_to_the_emptiest_core_of_those_that_take_any() {
    let admission = admission(options());
    let held: Vec<_> = (0..4).map(|_| admission.open_on(admission.source(A), |core| core == 1).unwrap()).collect();
    assert!(held.iter().all(|permit| permit.core() == 1));
    assert_eq!(admission.open_on(admission.source(A), |_| true).unwrap().core(), 0);
}

#[test]
fn one_address_cannot_take_the_places_of_another() {
    let admission = admission(AdmissionOptions { per_address: Some(2), ..options() });
    let held: Vec<_> = (0..3).map(|_| admission.open(A).unwrap()).collect();
    assert_eq!(reason(admission.admit(&held[2].carrier(), A, Instant::now())), Some(Reason::Address));
    let other = admission.open(B).unwrap();
    assert_eq!(reason(admission.admit(&other.carrier(), B, Instant::now())), None);
    drop((held, other));
    assert_eq!(admission.addresses.as_ref().unwrap().len(), 0, "no memory of addresses without a socket");
}

#[test]
fn subscriptions_above_the_rate_are_refused() {
    let rate = NonZeroU32::new(1);
    let admission = admission(AdmissionOptions { connects_per_second: rate, ..options() });
    let (one, now) = (admission.open(A).unwrap(), Instant::now());
    let mut first = admission.admit(&one.carrier(), A, now).unwrap();
    let mut second = admission.admit(&one.carrier(), A, now).expect("none has begun");
    assert_eq!(reason(admission.begin(&mut first, A, None, 1, now)), None);
    assert_eq!(reason(admission.begin(&mut second, A, None, 1, now)), Some(Reason::Rate));
    assert_eq!(reason(admission.admit(&one.carrier(), A, now)), Some(Reason::Rate));
}

#[test]
fn a_draining_node_refuses_everybody_for_at_least_five_seconds() {
    let admission = admission(options());
    let one = admission.open(A).unwrap();
    admission.begin_drain();
    for _ in 0..50 {
        let refusal = admission.admit(&one.carrier(), A, Instant::now()).unwrap_err();
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
    assert!(longest_retry(|now| full.admit(&one.carrier(), A, now).unwrap_err()) <= bound);
    let rate = NonZeroU32::new(1);
    let busy = admission(AdmissionOptions { connects_per_second: rate, ..options() });
    let one = busy.open(A).unwrap();
    let asked = |now| {
        let mut session = busy.admit(&one.carrier(), A, now).unwrap();
        busy.begin(&mut session, A, None, 1, now).unwrap();
        busy.admit(&one.carrier(), A, now).unwrap_err()
    };
    assert!(longest_retry(asked) <= bound);
    let without_a_store = admission(options());
    assert!(longest_retry(|_| without_a_store.refuse(Reason::Unavailable)) <= bound);
}

#[test]
fn an_address_that_has_too_much_open_stays_away_for_longer_each_time_and_nobody_else_does() {
    let admission = admission(AdmissionOptions { per_address: Some(0), ..options() });
    let [one, other] = [A, B].map(|address| admission.open(address).unwrap());
    assert!(longest_retry(|now| admission.admit(&one.carrier(), A, now).unwrap_err()) > Duration::from_secs(20));
    assert!(admission.admit(&other.carrier(), B, Instant::now()).unwrap_err().retry <= Duration::from_secs(10));
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
    let [first, second] = [(), ()].map(|()| admission.admit(&socket.carrier(), A, Instant::now()).unwrap());
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
    let mut session = admission.admit(&socket.carrier(), A, Instant::now()).unwrap();
    let place = socket.into_session(&mut session);
    let next = admission.open(A).unwrap();
    assert_eq!(reason(admission.admit(&next.carrier(), A, Instant::now())), Some(Reason::Address));
    drop(place);
    assert_eq!(
        reason(admission.admit(&next.carrier(), A, Instant::now())),
        Some(Reason::Address),
        "the session is still there"
    );
    drop(session);
    assert_eq!(reason(admission.admit(&next.carrier(), A, Instant::now())), None);
}

// Seen to fail when the sockets of a proxy are counted for its own address.
#[test]
fn a_proxy_does_not_meet_the_limit_of_an_address_and_each_client_behind_it_does() {
    let admission = behind_a_proxy(2);
    let now = Instant::now();
    let sockets: Vec<_> = (0..50).map(|_| admission.open(PROXY).unwrap()).collect();
    let mut sessions: Vec<_> =
        sockets[..2].iter().map(|socket| admission.admit(&socket.carrier(), A, now).unwrap()).collect();
    assert_eq!(reason(admission.admit(&sockets[2].carrier(), A, now)), Some(Reason::Address));
    sessions.push(admission.admit(&sockets[2].carrier(), B, now).unwrap());
    sessions.remove(0);
    sessions.push(admission.admit(&sockets[3].carrier(), A, now).unwrap());
    let refusal = admission.admit(&sockets[4].carrier(), A, now).unwrap_err();
    assert_eq!(refusal.reason, Reason::Address);
    drop((sockets, sessions));
    assert_eq!((admission.sockets(), admission.sessions()), (0, 0));
    assert_eq!(admission.addresses.as_ref().unwrap().len(), 0);
}

#[test]
fn one_connection_of_a_proxy_may_carry_sessions_of_many_clients() {
    let admission = behind_a_proxy(1);
    let (socket, now) = (admission.open(PROXY).unwrap(), Instant::now());
    let mut first = admission.admit(&socket.carrier(), A, now).unwrap();
    let second = admission.admit(&socket.carrier(), B, now).unwrap();
    assert_eq!(reason(admission.admit(&socket.carrier(), A, now)), Some(Reason::Address));
    // The session goes on with the socket, and is still its client's.
    let place = socket.into_session(&mut first);
    drop((first, place));
    assert_eq!(admission.addresses.as_ref().unwrap().len(), 1, "the other client's");
    drop(second);
    assert_eq!(admission.addresses.as_ref().unwrap().len(), 0);
}

#[test]
fn a_client_behind_a_proxy_and_without_one_is_the_same_client() {
    let admission = behind_a_proxy(1);
    let (direct, proxied) = (admission.open(A).unwrap(), admission.open(PROXY).unwrap());
    assert_eq!(reason(admission.admit(&proxied.carrier(), A, Instant::now())), Some(Reason::Address));
    drop(direct);
    assert_eq!(reason(admission.admit(&proxied.carrier(), A, Instant::now())), None);
}

#[test]
fn the_refusals_of_one_client_behind_a_proxy_keep_no_other_away() {
    let admission = behind_a_proxy(0);
    let socket = admission.open(PROXY).unwrap();
    assert!(longest_retry(|now| admission.admit(&socket.carrier(), A, now).unwrap_err()) > Duration::from_secs(20));
    assert!(admission.admit(&socket.carrier(), B, Instant::now()).unwrap_err().retry <= Duration::from_secs(10));
}

#[test]
fn counters_are_in_the_order_of_the_reasons() {
    for (place, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(place, reason as usize, "{}", reason.as_str());
    }
}

fn of_subject(subject: &str) -> Grant {
    Grant { subject: Some(subject.into()), ..Grant::default() }
}

/// Begins a session with one channel.
fn begin(admission: &Admission, client: IpAddr, grant: Option<&Grant>, now: Instant) -> Result<SessionPermit, Refused> {
    let socket = admission.open(PROXY).unwrap();
    let mut session = admission.admit(&socket.carrier(), client, now)?;
    admission.begin(&mut session, client, grant, 1, now)?;
    Ok(session)
}

fn through_proxies(mut options: AdmissionOptions) -> Arc<Admission> {
    options.proxies.trusted = vec!["10.0.0.0/8".parse().unwrap()];
    admission(options)
}

// Fails when a subject with many addresses has a count for each, when its place is not given back, and when who has a token
// is refused for its neighbours.
#[test]
fn a_subject_has_so_many_streams_from_wherever_it_comes_and_takes_no_place_of_its_neighbours() {
    let admission = through_proxies(AdmissionOptions { per_subject: Some(2), ..options() });
    let (one, other, now) = (of_subject("1"), of_subject("2"), Instant::now());
    let held = [begin(&admission, A, Some(&one), now).unwrap(), begin(&admission, B, Some(&one), now).unwrap()];
    for client in [A, B] {
        assert_eq!(reason(begin(&admission, client, Some(&one), now)), Some(Reason::Subject));
        assert_eq!(reason(begin(&admission, client, Some(&other), now)), None);
        assert_eq!(reason(begin(&admission, client, Some(&Grant::default()), now)), None);
        assert_eq!(reason(begin(&admission, client, None, now)), None);
    }
    let [first, second] = held;
    drop(first);
    assert_eq!(reason(begin(&admission, A, Some(&one), now)), None);
    drop(second);
    assert_eq!((admission.subjects.len(), admission.sessions()), (0, 0), "no memory of subjects without a stream");
}

#[test]
fn a_subject_counts_beside_its_address_and_goes_on_with_the_socket_of_its_session() {
    let admission = admission(AdmissionOptions { per_address: Some(1), per_subject: Some(1), ..options() });
    let now = Instant::now();
    let socket = admission.open(A).unwrap();
    let mut session = admission.admit(&socket.carrier(), A, now).unwrap();
    admission.begin(&mut session, A, Some(&of_subject("1")), 1, now).unwrap();
    let place = socket.into_session(&mut session);
    let [next, there] = [A, B].map(|address| admission.open(address).unwrap());
    assert_eq!(reason(admission.admit(&next.carrier(), A, now)), Some(Reason::Address));
    let mut elsewhere = admission.admit(&there.carrier(), B, now).unwrap();
    let refused = admission.begin(&mut elsewhere, B, Some(&of_subject("1")), 1, now);
    assert_eq!(reason(refused), Some(Reason::Subject));
    drop((session, place));
    assert_eq!(reason(admission.admit(&next.carrier(), A, now)), None);
    assert_eq!(reason(admission.begin(&mut elsewhere, B, Some(&of_subject("1")), 1, now)), None);
}

// Fails when what a subject has used up is taken from its address, when an address's is everybody's, or when none comes back.
#[test]
fn subscriptions_and_channels_have_rates_by_subject_and_by_address() {
    let admission = through_proxies(AdmissionOptions {
        address_connects_per_second: NonZeroU32::new(5),
        subject_connects_per_second: NonZeroU32::new(2),
        ..options()
    });
    let (one, other, now) = (of_subject("1"), of_subject("2"), Instant::now());
    let outcome = |client, grant, now| reason(begin(&admission, client, grant, now));
    assert_eq!(
        [A, B, A, B].map(|client| outcome(client, Some(&one), now)),
        [None, None, Some(Reason::SubjectRate), Some(Reason::SubjectRate)]
    );
    // The address has four left, whatever was refused to the one.
    assert_eq!([Some(&other), Some(&other), None, None].map(|grant| outcome(A, grant, now)), [None; 4]);
    for grant in [None, Some(&other)] {
        assert_eq!(outcome(A, grant, now), Some(Reason::AddressRate));
    }
    assert_eq!(outcome(B, None, now), None);
    let later = now + Duration::from_millis(500);
    assert_eq!([outcome(A, Some(&one), later), outcome(A, Some(&one), later)], [None, Some(Reason::SubjectRate)]);
}

#[test]
fn channels_of_subscriptions_have_rates_by_subject_and_by_address() {
    let admission = through_proxies(AdmissionOptions {
        address_channels_per_second: NonZeroU32::new(1_000),
        subject_channels_per_second: NonZeroU32::new(400),
        ..options()
    });
    let (now, one) = (Instant::now(), of_subject("1"));
    let outcome = |client, grant, channels| {
        let socket = admission.open(PROXY).unwrap();
        let mut session = admission.admit(&socket.carrier(), client, now).unwrap();
        reason(admission.begin(&mut session, client, grant, channels, now))
    };
    assert_eq!(outcome(A, Some(&one), 400), None);
    assert_eq!(outcome(B, Some(&one), 1), Some(Reason::SubjectChannels));
    assert_eq!(outcome(A, None, 600), None);
    assert_eq!(outcome(A, None, 1), Some(Reason::AddressChannels));
    assert_eq!(outcome(B, None, 1_000), None);
}

#[test]
fn a_subject_publishes_so_much_from_wherever_it_comes_and_who_has_none_by_its_address() {
    let admission = admission(AdmissionOptions { subject_publishes_per_second: NonZeroU32::new(2), ..options() });
    let (one, other, now) = (of_subject("1"), of_subject("2"), Instant::now());
    let publish = |client, grant: Option<&Grant>, now| reason(admission.publish(client, grant, now));
    let refused = Some(Reason::Publishes);
    assert_eq!([A, B, A].map(|client| publish(client, Some(&one), now)), [None, None, refused]);
    assert_eq!([Some(&other), None, None, None].map(|grant| publish(A, grant, now)), [None, None, None, refused]);
    assert_eq!((publish(B, None, now), publish(A, Some(&one), now + Duration::from_millis(500))), (None, None));
    assert_eq!(admission.refused(Reason::Publishes), 2);
}

#[test]
fn a_subject_that_has_too_much_open_stays_away_for_longer_each_time_and_its_neighbours_do_not() {
    let admission = through_proxies(AdmissionOptions { per_subject: Some(0), ..options() });
    let refused = |subject: &str, now| begin(&admission, A, Some(&of_subject(subject)), now).unwrap_err();
    assert!(longest_retry(|now| refused("1", now)) > Duration::from_secs(20));
    assert!(refused("2", Instant::now()).retry <= Duration::from_secs(10));
}

// Fails when a subject is another payer for each of its addresses, or those at one address are one.
#[test]
fn a_subject_pays_for_itself_and_who_has_none_by_its_address() {
    let admission = admission(options());
    let (one, other) = (of_subject("1"), of_subject("2"));
    assert_eq!(admission.payer(A, Some(&one)), admission.payer(B, Some(&one)));
    assert_ne!(admission.payer(A, Some(&one)), admission.payer(A, Some(&other)));
    assert_eq!(admission.payer(A, None), admission.payer(A, Some(&Grant::default())));
    assert_ne!(admission.payer(A, None), admission.payer(B, None));
    let ticket = Grant { issuer: Some("tickets".into()), ..of_subject("1") };
    assert_ne!(admission.payer(A, Some(&one)), admission.payer(A, Some(&ticket)), "names of two issuers");
}
