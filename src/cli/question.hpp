#pragma once

#include <string>

namespace pgeist::cli {

/// Whether questions can be asked: standard input and standard error are a terminal.
[[nodiscard]] bool can_ask() noexcept;

/// Asks on the terminal; true for an answer that begins with y. Everything else, the end of the input and a signal are
/// no.
[[nodiscard]] bool ask(const std::string& question);

}  // namespace pgeist::cli
