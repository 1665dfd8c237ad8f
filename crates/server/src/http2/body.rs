//! The body of an answer, as hyper asks for it.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};

use super::exchange::Exchange;
use super::slice::Slice;

/// The slices of an exchange.
pub(super) struct SlicedBody(pub(super) Rc<Exchange>);

impl Body for SlicedBody {
    type Data = Slice;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Slice>, Infallible>>> {
        self.0.poll_slice(cx).map(|slice| slice.map(|slice| Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
