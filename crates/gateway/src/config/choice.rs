//! Keys with a handful of named values.

use config::ValueKind;

use super::value::{Value, quoted, text};

macro_rules! choice_value {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vdoc])* $variant),+
        }

        impl Value for $name {
            fn kind() -> String {
                [$(concat!("\"", $text, "\"")),+].join(" or ")
            }
            fn expected() -> String {
                Self::kind()
            }
            fn from_value(value: &ValueKind) -> Option<Self> {
                match text(value)? {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
            fn show(&self) -> String {
                quoted(match self {
                    $(Self::$variant => $text),+
                })
            }
        }
    };
}

choice_value! {
    /// How log lines are written.
    LogFormat {
        /// One readable line for each event.
        Text = "text",
        /// One JSON object for each event.
        Json = "json",
    }
}

choice_value! {
    /// How a subscription is refused for a transient reason (overload, rate limit, drain).
    RefusalStyle {
        /// `200`, a `retry:` line and the end of the stream: browsers come back.
        Polite = "polite",
        /// `429` or `503` with `Retry-After`: for clients that are not browsers.
        Status = "status",
    }
}

choice_value! {
    /// How a stream ends that has not come to its end.
    CloseStyle {
        /// As a whole response: browsers come back.
        Clean = "clean",
        /// As a response that breaks off, and a refusal as a status: for clients that take a clean end for the end of the matter.
        Abort = "abort",
    }
}

choice_value! {
    /// The header in which trusted proxies name the client of a request.
    AddressHeader {
        /// `X-Forwarded-For`, the one that most proxies know.
        XForwardedFor = "x-forwarded-for",
        /// `Forwarded` (RFC 7239).
        Forwarded = "forwarded",
    }
}

choice_value! {
    /// Whether connections begin with a header of the PROXY protocol.
    ProxyProtocol {
        /// They begin with a request.
        Off = "off",
        /// Every one does, in version 1 or 2.
        On = "on",
    }
}

choice_value! {
    /// What is believed of messages that bring an entry.
    Pushes {
        /// One that follows the last entry is delivered as it is.
        Trusted = "trusted",
        /// Each makes the node read, and nothing of it is delivered.
        Verified = "verified",
    }
}

choice_value! {
    /// The oldest version of TLS that is spoken with clients.
    TlsVersion {
        /// 1.2 and 1.3.
        Tls12 = "1.2",
        /// 1.3 alone.
        Tls13 = "1.3",
    }
}

choice_value! {
    /// Whether clients have to show a certificate.
    ClientCertificateNeed {
        /// Who has none is refused.
        Require = "require",
        /// Who has none is served like anybody.
        Request = "request",
    }
}

choice_value! {
    /// What in a client's certificate names its subject.
    SubjectName {
        /// The common name.
        CommonName = "cn",
        /// The first DNS name of its `subjectAltName`.
        DnsName = "san_dns",
        /// The only URI there.
        Uri = "san_uri",
        /// The first e-mail address there.
        Email = "san_email",
    }
}
