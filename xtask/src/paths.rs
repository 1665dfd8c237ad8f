//! The paths that a file names, in declarations of `use` and everywhere else, tests left out.

use crate::tokens::{Token, tokens};

/// What a file names.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    pub(crate) paths: Vec<Path<'a>>,
    /// Modules below this one that are compiled for tests only, each as names from this one downwards.
    pub(crate) test_modules: Vec<Vec<&'a str>>,
}

/// A path of at least one name, with every `{}` of a `use` resolved.
#[derive(Debug)]
pub(crate) struct Path<'a> {
    /// The modules within the file that it stands in, outermost first.
    pub(crate) within: Vec<&'a str>,
    /// `super`, `feed`, `Push` for `super::feed::Push`. A path that begins with `::` has an empty first name.
    pub(crate) names: Vec<&'a str>,
    /// What a `use` calls it in this file.
    pub(crate) alias: Option<&'a str>,
}

/// The paths in the text of a file that compiles.
pub(crate) fn names(text: &str) -> Names<'_> {
    let mut reader = Reader { tokens: tokens(text), at: 0, depth: 0, within: Vec::new(), names: Names::default() };
    reader.file();
    reader.names
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// Open braces.
    depth: usize,
    /// The modules within the file that are open, with the depth outside of them.
    within: Vec<(&'a str, usize)>,
    names: Names<'a>,
}

impl<'a> Reader<'a> {
    fn file(&mut self) {
        while let Some(token) = self.token(0) {
            match token {
                Token::Sign("#") if self.is_for_tests(1) => self.test_item(),
                // The whole file is for tests.
                Token::Sign("#") if self.sign(1, "!") && self.is_for_tests(2) => return,
                Token::Sign("{") => self.open(),
                Token::Sign("}") => self.close(),
                // A path from the root of all crates, or behind a type: `<T as Trait>::Item`.
                Token::Sign("::") => {
                    self.at += 1;
                    if self.word(0).is_some() {
                        self.path();
                    }
                }
                Token::Sign(_) => self.at += 1,
                Token::Word("pub") => self.visibility(),
                Token::Word("use") if !self.sign(1, "<") => {
                    self.at += 1;
                    self.use_tree(&mut Vec::new());
                }
                Token::Word("mod") => self.module(),
                Token::Word(_) => {
                    let names = self.path();
                    if names.len() > 1 {
                        self.record(names, None);
                    }
                }
            }
        }
    }

    fn token(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).copied()
    }

    fn sign(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.token(ahead), Some(Token::Sign(found)) if found == sign)
    }

    fn word(&self, ahead: usize) -> Option<&'a str> {
        match self.token(ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn open(&mut self) {
        self.depth += 1;
        self.at += 1;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.within.pop_if(|(_, outside)| *outside == self.depth);
        self.at += 1;
    }

    /// `mod name;` declares a file, which is no use of it; `mod name {` opens a module within this file.
    fn module(&mut self) {
        if let Some(name) = self.word(1)
            && self.sign(2, "{")
        {
            self.within.push((name, self.depth));
            self.at += 2;
            return self.open();
        }
        self.at += 1;
    }

    /// `pub`, and `(in crate::a)` behind it: who may use an item is not what the item uses.
    fn visibility(&mut self) {
        self.at += 1;
        if self.sign(0, "(") && matches!(self.word(1), Some("in" | "crate" | "super" | "self")) && !self.sign(2, "::") {
            self.group();
        }
    }

    /// Passes one token, or everything up to the bracket that closes it.
    fn group(&mut self) {
        let mut open = 0_usize;
        while let Some(token) = self.token(0) {
            self.at += 1;
            match token {
                Token::Sign("(" | "[" | "{") => open += 1,
                Token::Sign(")" | "]" | "}") => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                return;
            }
        }
    }

    /// Reads a name and every `::name` behind it.
    fn path(&mut self) -> Vec<&'a str> {
        let mut names: Vec<_> = self.word(0).into_iter().collect();
        self.at += 1;
        while self.sign(0, "::")
            && let Some(name) = self.word(1)
        {
            names.push(name);
            self.at += 2;
        }
        names
    }

    fn record(&mut self, names: Vec<&'a str>, alias: Option<&'a str>) {
        let within = self.within.iter().map(|(name, _)| *name).collect();
        self.names.paths.push(Path { within, names, alias });
    }

    /// One tree of a `use`, behind `prefix`, which is afterwards as it was.
    fn use_tree(&mut self, prefix: &mut Vec<&'a str>) {
        let before = prefix.len();
        if self.sign(0, "::") {
            prefix.push("");
            self.at += 1;
        }
        while let Some(name) = self.word(0) {
            prefix.push(name);
            self.at += 1;
            if !self.sign(0, "::") {
                break;
            }
            self.at += 1;
        }
        if self.sign(0, "{") {
            self.at += 1;
            while !self.sign(0, "}") && self.token(0).is_some() {
                self.use_tree(prefix);
                if self.sign(0, ",") {
                    self.at += 1;
                }
            }
            self.at += 1;
        } else if self.sign(0, "*") {
            self.at += 1;
            self.record(prefix.clone(), None);
        } else {
            self.use_leaf(prefix.clone());
        }
        prefix.truncate(before);
    }

    fn use_leaf(&mut self, mut names: Vec<&'a str>) {
        // `a::{self}` is `a`.
        if names.len() > 1 {
            names.pop_if(|name| *name == "self");
        }
        let mut alias = names.last().copied();
        if self.word(0) == Some("as") {
            alias = self.word(1);
            self.at += 2;
        }
        if names.is_empty() {
            // No such `use` compiles; go on behind what cannot be read.
            self.at += 1;
        } else {
            self.record(names, alias);
        }
    }

    /// Whether an attribute begins there that is `cfg(test)`, or `cfg(all(…))` with `test` among the conditions.
    fn is_for_tests(&self, ahead: usize) -> bool {
        if !(self.sign(ahead, "[") && self.word(ahead + 1) == Some("cfg") && self.sign(ahead + 2, "(")) {
            return false;
        }
        if self.word(ahead + 3) != Some("all") {
            return self.word(ahead + 3) == Some("test") && self.sign(ahead + 4, ")");
        }
        let mut open = 0_usize;
        for token in self.tokens.iter().skip(self.at + ahead + 4) {
            match token {
                Token::Sign("(") => open += 1,
                Token::Sign(")") => open = open.saturating_sub(1),
                Token::Word("test") if open == 1 => return true,
                _ => {}
            }
            if open == 0 {
                break;
            }
        }
        false
    }

    /// Passes an item with its attributes.
    fn test_item(&mut self) {
        while self.sign(0, "#") {
            self.at += 1;
            self.group();
        }
        if self.word(0) == Some("pub") {
            self.visibility();
        }
        if let (Some("mod"), Some(name)) = (self.word(0), self.word(1)) {
            let outer = self.within.iter().map(|(outer, _)| *outer);
            self.names.test_modules.push(outer.chain([name]).collect());
        }
        let is_use = self.word(0) == Some("use");
        while let Some(token) = self.token(0) {
            match token {
                // A field or a variant: what is around it ends.
                Token::Sign("}" | ")" | "]") => return,
                Token::Sign(";") => {
                    self.at += 1;
                    return;
                }
                Token::Sign("{") if !is_use => return self.group(),
                _ => self.group(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        names(text).paths.iter().map(|path| path.names.join("::")).collect()
    }

    #[test]
    fn every_leaf_of_a_use_is_a_path() {
        let text = "use a::{b, c::{d, e::*}, f::{self, g as h},}; pub(crate) use ::i::j; use k;";
        assert_eq!(paths(text), ["a::b", "a::c::d", "a::c::e", "a::f", "a::f::g", "::i::j", "k"]);
        let aliases: Vec<_> = names(text).paths.iter().filter_map(|path| path.alias).collect();
        assert_eq!(aliases, ["b", "d", "f", "h", "j", "k"]);
    }

    #[test]
    fn paths_are_found_in_types_calls_and_macros() {
        let text = "fn a(b: super::C) -> Vec<d::E> { f::g::<h::I>(1); $crate::j!(k::L { m: 1 }); <N as o::P>::Q::r() }";
        assert_eq!(paths(text), ["super::C", "d::E", "f::g", "h::I", "crate::j", "k::L", "o::P"]);
    }

    #[test]
    fn words_that_lead_nowhere_are_no_paths() {
        assert!(paths("fn a(self) -> impl B + use<'_> { self.c(); \"d::e\"; ::f::g() } // h::i").is_empty());
    }

    #[test]
    fn who_may_use_an_item_is_not_what_it_uses() {
        assert!(paths("pub(in crate::a::b) struct C(pub(crate) D); pub(super) fn e() {}").is_empty());
        assert_eq!(paths("struct A(pub (crate::b::C, D));"), ["crate::b::C"]);
    }

    #[test]
    fn what_is_compiled_for_tests_only_is_left_out() {
        let text = "#[cfg(test)] use a::{b, c}; #[cfg(all(d, test))] #[e] pub(super) fn f(g: [h::I; 2]) -> j::K { l::m() } n::o";
        assert_eq!(paths(text), ["n::o"]);
        let text = "mod a { #[cfg(test)] mod b; } #[cfg(test)] mod tests { use super::*; } #[cfg(test)] mod c; d::e";
        assert_eq!(names(text).test_modules, [vec!["a", "b"], vec!["tests"], vec!["c"]]);
        assert_eq!(paths(text), ["d::e"]);
        assert!(paths("#![cfg(test)] use a::b;").is_empty());
    }

    #[test]
    fn what_is_left_out_of_tests_is_seen() {
        let text = "#[cfg(not(test))] use a::b; #[cfg(all(unix, not(test)))] use c::d; #[cfg(any(test, e))] use f::g;";
        assert_eq!(paths(text), ["a::b", "c::d", "f::g"]);
    }

    #[test]
    fn a_path_knows_the_modules_of_its_file_that_it_stands_in() {
        let text = "a::b; mod c { d::e; mod f { g::h; } if i { } j::k; } l::m";
        let within: Vec<_> = names(text).paths.iter().map(|path| path.within.join("::")).collect();
        assert_eq!(within, ["", "c", "c::f", "c", ""]);
    }
}
