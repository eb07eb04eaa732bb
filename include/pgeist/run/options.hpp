#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pgeist/run/settings.hpp"

namespace pgeist::run {

/// Where an option stands in `--help`; the groups of cli.md.
enum class option_group { copy, throttle, verify, swap, after, safety };

/// One option of `pgeist run` that has its place in `settings`. The one table of them serves the command line, the
/// environment, configuration files, `--help` and `pgeist set`.
struct option {
    std::string_view name;      ///< without dashes
    std::string_view value;     ///< what stands for the value in `--help`; empty: a switch
    std::string_view fallback;  ///< the default as shown; may be empty
    std::string_view help;
    option_group group;
    bool steerable;   ///< `pgeist set` changes it while a job runs
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

/// As apply_option, for `pgeist set`. @throws usage_error also for options that cannot be changed while a job runs
void apply_steering(settings& into, std::string_view name, const std::string& value);

/// Reads `on`, `true`, `yes`, `1` and their opposites. @throws usage_error
[[nodiscard]] bool parse_switch(const std::string& value);

}  // namespace pgeist::run
