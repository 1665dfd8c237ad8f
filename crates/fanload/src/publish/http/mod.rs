//! One HTTP/1.1 request per event over kept-alive connections.

mod form;
mod line;

use anyhow::{Context, Result, bail};

use self::line::Line;
use super::broken::Broken;
use super::event::Event;
use super::mended::Mended;
use super::span::Span;
use crate::stage::Stage;
use crate::target::Publish;

/// The place of the text in a form.
const FORM: &str = "{form}";

/// Connections to an HTTP endpoint. A channel's events all go over the same one.
#[derive(Debug)]
pub(super) struct Http {
    lines: Vec<Line>,
    /// Method and path, with the place of the channel's name.
    request: String,
    /// What follows them, up to the length of the body.
    headers: String,
    body: String,
    pipeline: usize,
    /// The same as `request`, for making a channel.
    create: Option<String>,
    /// Whether anything was accepted over the connections that are open now.
    accepts: bool,
}

impl Http {
    pub(super) fn connect(publish: &Publish, stage: &Stage) -> Result<Self> {
        let Publish::Http { address, method, path, headers, body, connections, pipeline, create } = publish else {
            bail!("this is not a way of publishing over HTTP");
        };
        let lines = (0..(*connections).max(1)).map(|_| Line::open(*address, stage)).collect::<Result<_>>()?;
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Ok(Self {
            lines,
            request: format!("{method} {path}"),
            headers: format!(" HTTP/1.1\r\n{headers}Content-Length: "),
            body: body.clone(),
            pipeline: (*pipeline).max(1),
            create: create.as_ref().map(|method| format!("{method} {path}")),
            accepts: false,
        })
    }

    pub(super) fn publish(&mut self, event: Event, name: &str, data: &[u8]) -> Result<()> {
        let data = std::str::from_utf8(data).context("an event is not UTF-8")?;
        let mut body = self.body.replace("{channel}", name).replace("{data}", data);
        if body.contains(FORM) {
            body = body.replace(FORM, &form::value(data));
        }
        let count = self.lines.len();
        let line = &mut self.lines[event.channel as usize % count];
        let request = self.request.replace("{channel}", name);
        line.ask(format_args!("{request}{}{}\r\n\r\n{body}", self.headers, body.len()), Some(event));
        if line.outstanding() >= self.pipeline {
            line.flush()?;
            self.accepts = true;
        }
        Ok(())
    }

    pub(super) fn accepts(&self) -> bool {
        self.accepts
    }

    pub(super) fn create(&mut self, names: impl Iterator<Item = String>) -> Result<()> {
        let Some(request) = &self.create else { return Ok(()) };
        let Some(line) = self.lines.first_mut() else { return Ok(()) };
        for name in names {
            let request = request.replace("{channel}", &name);
            line.ask(format_args!("{request}{}0\r\n\r\n", self.headers), None);
            line.flush().context("a channel cannot be made")?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        // All requests leave before the first answer is waited for.
        self.lines.iter_mut().try_for_each(Line::send)?;
        self.lines.iter_mut().try_for_each(Line::flush)?;
        self.accepts = true;
        Ok(())
    }

    /// New connections. Events that were not answered may have been published or not.
    pub(super) fn mend(&mut self) -> Result<Mended> {
        let fresh = self.lines.iter().map(Line::again).collect::<Result<Vec<_>>>().context(Broken)?;
        let old = std::mem::replace(&mut self.lines, fresh);
        self.accepts = false;
        let pending = old.into_iter().flat_map(Line::unanswered).collect();
        Ok(Mended { unknown: Span::of(pending), ..Mended::default() })
    }
}

#[cfg(test)]
mod tests;
