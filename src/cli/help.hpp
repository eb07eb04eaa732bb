#pragma once

#include <string>

#include "cli/catalog.hpp"

namespace pgeist::cli {

/// `pgeist --help`.
[[nodiscard]] std::string overview();

/// `pgeist COMMAND --help`.
[[nodiscard]] std::string help_of(const command_info& info);

}  // namespace pgeist::cli
