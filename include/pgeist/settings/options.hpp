#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pgeist/settings/settings.hpp"

namespace pgeist::run {

/// Where an option stands in `--help`; the groups of docs/options.md.
enum class option_group { change, copy, throttle, verify, swap, after, safety };

/// Whether an option may change in the course of a job. What names a file of pgeist's host, or holds SQL that runs with
/// the rights of the run, is not for everybody who may write to the job's row: `pgeist set` can only take it away.
/// `pgeist resume`, which has those rights itself, takes all but `never`.
enum class steering { never, only_off, freely };

/// One option of `pgeist run` that has its place in `settings`. The one table of them serves the command line, the
/// environment, configuration files, `--help` and `pgeist set`.
struct option {
    std::string_view name;      ///< without dashes
    std::string_view value;     ///< what stands for the value in `--help`; empty: a switch
    std::string_view fallback;  ///< the default as shown; may be empty
    std::string_view help;
    option_group group;
    steering steerable;
    bool repeatable;  ///< may be given more than once
    void (*apply)(settings& into, const std::string& value);
};

/// All options, in the order of `--help`.
[[nodiscard]] std::span<const option> options();

/// The option of that name, or null.
[[nodiscard]] const option* find_option(std::string_view name);

/// Reads `value` as option `name` takes it and puts it into `into`. Limits that can be absent take `off`; switches take
/// `on` and `off` (and their synonyms).
/// @throws usage_error saying what is allowed; its message does not repeat the option's name
void apply_option(settings& into, std::string_view name, const std::string& value);

/// As apply_option, for `pgeist set`. @throws usage_error also for options that cannot be changed so while a job runs
void apply_steering(settings& into, std::string_view name, const std::string& value);

/// The names of all options that may be steered so, with commas between.
[[nodiscard]] std::string names_of(steering kind);

/// Reads `on`, `true`, `yes`, `1` and their opposites. @throws usage_error
[[nodiscard]] bool parse_switch(const std::string& value);

}  // namespace pgeist::run
