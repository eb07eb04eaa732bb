#pragma once

#include <string>
#include <string_view>

namespace pgeist {

/// UTF-8 as ASCII: what pgeist itself writes has an equivalent; anything else becomes a question mark.
[[nodiscard]] std::string to_ascii(std::string_view text);

}  // namespace pgeist
