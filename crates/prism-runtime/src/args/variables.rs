//! The rule that turns every flag into an environment variable: that of `--drain-timeout` of `prism-memstore` is
//! `PRISM_MEMSTORE_DRAIN_TIMEOUT`.
//!
//! A variable that is set but empty counts as unset: compose files and shells set `NAME=` for "nothing". Unknown
//! `PRISM_*` variables are ignored: Kubernetes injects some.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error, FromArgMatches};

/// Gives every flag of `command` its variable, and its help the service's own defaults, as [`parse`](super::parse)
/// does; for a command that is part of another's command line.
#[must_use]
pub fn with_variables(command: Command, name: &str, defaults: &[(&str, &str)]) -> Command {
    command.mut_args(|arg| match arg.get_long() {
        Some("help" | "version") | None => arg,
        Some(flag) => {
            let variable = format!("{name}_{flag}").replace('-', "_").to_uppercase();
            let default = defaults.iter().find(|(known, _)| *known == flag);
            match (default, arg.get_help().cloned()) {
                (Some((_, default)), Some(help)) => {
                    arg.env(variable).help(format!("{help} [default: {default}]"))
                }
                _ => arg.env(variable),
            }
        }
    })
}

/// Parses `words`, which start with the program's name, and the variables of `command`.
///
/// # Errors
/// Wrong usage, or a request for help. If the invalid value comes from a variable, the error names the variable.
pub fn parse_words<A: FromArgMatches>(
    command: Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<A, Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    let mut command = mut_args(command, &|arg| if is_empty(&arg) { without_variable(arg) } else { arg });
    match command.try_get_matches_from_mut(&words) {
        Ok(matches) => A::from_arg_matches(&matches).map_err(|error| error.format(&mut command)),
        Err(error) => Err(naming_the_variable(error, command, &words)),
    }
}

/// The same command with each argument changed, including those of all subcommands.
fn mut_args(command: Command, change: &dyn Fn(Arg) -> Arg) -> Command {
    command.mut_args(change).mut_subcommands(|subcommand| mut_args(subcommand, change))
}

/// Whether the argument's variable is set but empty.
fn is_empty(arg: &Arg) -> bool {
    value(arg).is_some_and(|value| value.is_empty())
}

fn value(arg: &Arg) -> Option<OsString> {
    arg.get_env().and_then(env::var_os)
}

/// The same argument without reading its variable. Its help still names the variable, as clap's does.
fn without_variable(arg: Arg) -> Arg {
    let Some(variable) = arg.get_env() else { return arg };
    let variable = variable.display().to_string();
    let sign = if arg.is_hide_env_values_set() { "" } else { "=" };
    let help = format!("{} [env: {variable}{sign}]", arg.get_help().cloned().unwrap_or_default());
    arg.env(Resettable::Reset).help(help)
}

/// clap names the flag of an invalid value, wherever the value comes from. If the words alone are valid, it comes from
/// a variable.
fn naming_the_variable(mut error: Error, mut command: Command, words: &[OsString]) -> Error {
    let told = |error: &Error| (error.kind(), error.get(ContextKind::InvalidArg).cloned());
    let mut by_words = mut_args(command.clone(), &without_variable);
    if by_words.try_get_matches_from_mut(words).is_err_and(|by_words| told(&by_words) == told(&error)) {
        return error;
    }
    // Required for showing all arguments as clap does.
    command.build();
    let arguments = all_arguments(&command);
    if error.kind() == ErrorKind::InvalidUtf8 {
        let is_broken = |arg: &&Arg| value(arg).is_some_and(|value| value.to_str().is_none());
        let names = arguments.into_iter().filter(is_broken).filter_map(Arg::get_env);
        let names: BTreeSet<_> = names.map(|name| name.display().to_string()).collect();
        let names = Vec::from_iter(names).join(", ");
        return command.error(error.kind(), format!("the values of these variables are not UTF-8: {names}"));
    }
    let (Some(ContextValue::String(flag)), Some(ContextValue::String(wrong))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return error;
    };
    let is_wrong =
        |arg: &&Arg| arg.to_string() == *flag && value(arg).is_some_and(|value| value == wrong.as_str());
    if let Some(variable) = arguments.into_iter().find(is_wrong).and_then(Arg::get_env) {
        let variable = ContextValue::String(variable.display().to_string());
        error.insert(ContextKind::InvalidArg, variable);
    }
    error
}

fn all_arguments(command: &Command) -> Vec<&Arg> {
    command.get_arguments().chain(command.get_subcommands().flat_map(all_arguments)).collect()
}
