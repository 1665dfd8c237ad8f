//! hyper's service for one HTTP/2 connection, and the tasks in which the answers are made.

use std::cell::Cell;
use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::Service;
use tokio::time::{Sleep, sleep};

use super::body::SlicedBody;
use super::exchange::Exchange;
use super::shared::Shared;
use crate::answer::Answer;
use crate::decision::Decision;
use crate::detach::Stage;
use crate::problem::{Kind, Problem};
use crate::session::Head;
use crate::soon::Soon;

/// Takes the requests of one connection.
#[derive(Clone)]
pub(super) struct Requests {
    shared: Rc<Shared>,
    /// The exchange whose future hyper gives to the executor next: it does that right after the call of the service.
    next: Rc<Cell<Option<Rc<Exchange>>>>,
}

impl Requests {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self { shared, next: Rc::default() }
    }
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<SlicedBody>;
    type Error = Infallible;
    type Future = Answering;

    /// Decides nothing yet: hyper calls this for all requests that have come, and others want their turn between two of them.
    fn call(&self, request: Request<Incoming>) -> Answering {
        let exchange = Exchange::new(&self.shared);
        self.next.set(Some(Rc::clone(&exchange)));
        let is_head = request.method() == Method::HEAD;
        Answering { step: Step::Asked(Box::new(request)), exchange, is_head }
    }
}

impl<F: Future<Output = ()> + Unpin + 'static> Executor<F> for Requests {
    #[expect(
        clippy::disallowed_methods,
        reason = "`Shared` counts it until it ends, and hyper ends it with the connection"
    )]
    fn execute(&self, future: F) {
        // What has no exchange is a tunnel, which no answer here opens.
        let Some(exchange) = self.next.take() else { return };
        drop(tokio::task::spawn_local(Task { future, exchange, stage: Stage::Busy, clock: None }));
    }
}

/// What hyper does with one exchange. Dropping it resets the stream, unless it is over.
struct Task<F> {
    future: F,
    exchange: Rc<Exchange>,
    /// The stage whose time the clock counts.
    stage: Stage,
    clock: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()> + Unpin> Future for Task<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            this.exchange.begin_poll();
            if Pin::new(&mut this.future).poll(cx).is_ready() || this.exchange.end_poll(cx) {
                return Poll::Ready(());
            }
            let (stage, allowed) = this.exchange.stage();
            if mem::replace(&mut this.stage, stage) != stage {
                this.clock = allowed.map(|allowed| Box::pin(sleep(allowed)));
                this.exchange.set_unfinished(stage == Stage::Partial);
            }
            let Some(clock) = &mut this.clock else { return Poll::Pending };
            ready!(clock.as_mut().poll(cx));
            this.clock = None;
            this.exchange.shared.handler.stats().timeouts.add(1);
            if stage == Stage::Responding {
                return Poll::Ready(());
            }
            this.exchange.give_up();
        }
    }
}

/// The answer as hyper waits for it.
pub(super) struct Answering {
    step: Step,
    exchange: Rc<Exchange>,
    is_head: bool,
}

enum Step {
    Asked(Box<Request<Incoming>>),
    Deciding(Pin<Box<dyn Future<Output = Decision>>>),
    /// A session opens its channels.
    Opening,
}

impl Answering {
    fn decide(&mut self, request: Request<Incoming>) -> Poll<Decision> {
        let request = match as_over_http1(request) {
            Ok(request) => request,
            Err(problem) => return Poll::Ready(problem.into()),
        };
        let handover = self.exchange.handover();
        handover.request();
        match self.exchange.shared.handler.route(&self.exchange.shared.permit, request, &handover) {
            Soon::Now(decision) => Poll::Ready(decision),
            Soon::Later(decision) => {
                self.step = Step::Deciding(decision);
                Poll::Pending
            }
        }
    }

    /// The answer as hyper is given it.
    fn reply(&self, answer: Answer) -> Response<SlicedBody> {
        if answer.is_for_elsewhere() {
            self.exchange.set_for_elsewhere();
        }
        let response = answer.dated(self.exchange.shared.core.date()).into_response();
        let (mut head, mut body) = response.into_parts();
        // It is about connections of HTTP/1 (RFC 9113 section 8.2.2).
        head.headers.remove(header::CONNECTION);
        if self.is_head {
            if !body.is_empty() {
                head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
            body = Bytes::new();
        }
        self.exchange.answer(body);
        Response::from_parts(head, SlicedBody(Rc::clone(&self.exchange)))
    }

    /// The head of a stream, whose body the session makes.
    fn begin(&self, head: Answer) -> Response<SlicedBody> {
        let (head, _) = head.into_response().into_parts();
        Response::from_parts(head, SlicedBody(Rc::clone(&self.exchange)))
    }
}

impl Future for Answering {
    type Output = Result<Response<SlicedBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let decision = match mem::replace(&mut self.step, Step::Opening) {
                Step::Asked(request) => match self.decide(*request) {
                    Poll::Ready(decision) => decision,
                    Poll::Pending => continue,
                },
                Step::Deciding(_) if self.exchange.is_late() => {
                    Problem::new(Kind::RequestTimeout, "The request did not arrive in time.").into()
                }
                Step::Deciding(mut decision) => match decision.as_mut().poll(cx) {
                    Poll::Ready(decision) => decision,
                    Poll::Pending => {
                        self.step = Step::Deciding(decision);
                        return Poll::Pending;
                    }
                },
                Step::Opening => {
                    return Poll::Ready(Ok(match ready!(self.exchange.poll_head(cx)) {
                        Head::Stream(head) => self.begin(head),
                        Head::Refusal(answer) => self.reply(answer),
                    }));
                }
            };
            match decision {
                Decision::Answer(answer) => return Poll::Ready(Ok(self.reply(*answer))),
                Decision::Stream(stream) => self.exchange.stream(stream),
            }
        }
    }
}

/// The request as it would be over HTTP/1: what HTTP/2 says in another way stands where handlers look for it.
fn as_over_http1(mut request: Request<Incoming>) -> Result<Request<Incoming>, Problem> {
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let headers = request.headers_mut();
    if let Some(Ok(authority)) = authority {
        // Two that differ would be two hosts' (RFC 9113 section 8.3.1).
        if headers.get_all(header::HOST).iter().any(|host| host != authority) {
            return Err(Problem::new(Kind::InvalidRequest, "`Host` and `:authority` name different hosts."));
        }
        headers.insert(header::HOST, authority);
    }
    join_cookies(headers);
    Ok(request)
}

/// Cookies may come one by one; elsewhere they are one header (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(cookies) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, cookies);
    }
}
