//! The macro that the files of rules are written in.

/// Declares rules as constants, and the list of them.
macro_rules! rules {
    ($group:ident: $($name:ident = $level:ident $id:literal, $text:literal, $mutant:literal;)+) => {
        $(
            #[doc = $text]
            pub(crate) const $name: &crate::rules::Rule = &crate::rules::Rule {
                id: $id,
                level: crate::level::Level::$level,
                text: $text,
                mutant: $mutant,
            };
        )+

        /// All of this group.
        pub(super) const $group: &[&crate::rules::Rule] = &[$($name),+];
    };
}
pub(super) use rules;
