#pragma once

#include <string>

#include "pgeist/pg/connect_options.hpp"

namespace pgeist::pg {

/// A conninfo string or URI with its passwords replaced by `***`, whatever its form; other text comes back as it is. Of
/// a text that looks like one and cannot be read, everything that may be a password is taken out.
[[nodiscard]] std::string without_passwords(const std::string& conninfo);

/// What libpq said about a failed connection, without what may come from the passwords in `options`: it quotes parts of
/// a conninfo string that it cannot read.
[[nodiscard]] std::string harmless_message(const std::string& message, const connect_options& options);

}  // namespace pgeist::pg
