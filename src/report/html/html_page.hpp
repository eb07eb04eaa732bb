#pragma once

#include <string>

namespace pgeist::report {

/// A complete page around `body`, with its style sheet in it. Both are HTML already.
[[nodiscard]] std::string page_of(const std::string& title, const std::string& body);

}  // namespace pgeist::report
