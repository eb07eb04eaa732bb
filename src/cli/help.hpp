#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "cli/catalog.hpp"

namespace pgeist::cli {

/// The groups of options with their headings, in the order of `--help`.
[[nodiscard]] std::span<const std::pair<group, std::string_view>> option_headings();

/// Where options can come from besides the command line, and how values are written.
[[nodiscard]] std::string_view option_sources();

/// `pgeist --help`.
[[nodiscard]] std::string overview();

/// `pgeist COMMAND --help`.
[[nodiscard]] std::string help_of(const command_info& info);

}  // namespace pgeist::cli
