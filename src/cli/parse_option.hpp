#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "cli/given.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/settings/settings.hpp"

// One option's value read, for the commands that have it. All throw usage_error.
namespace pgeist::cli {

/// Calls `read`; a usage error says which option it is about.
template <class Read>
void about(const std::string& origin, Read&& read) {
    try {
        std::forward<Read>(read)();
    } catch (const usage_error& problem) {
        throw usage_error(fmt::format("{}: {}", origin, problem.what()), problem.hint());
    }
}

/// The table of --table, which must be given.
[[nodiscard]] qualified_name read_table(const given& options);

/// That `text`, given for `origin`, is more than blanks.
void require_not_blank(const std::string& origin, const std::string& text);

/// That `text` is COLUMN = EXPRESSION.
void require_assignment(const std::string& text, const std::string& shape = "COLUMN = EXPRESSION");

/// A file's text; of `-` what is read from standard input.
[[nodiscard]] std::string read_file(const std::string& name);

/// The name of a file that will be replaced, or made, only when there is something to tell: its folder must take it.
/// Empty when the option is not given.
[[nodiscard]] std::string writable(const given& options, std::string_view name);

/// The options that a job keeps.
void read_settings(const given& options, run::settings& into);

}  // namespace pgeist::cli
