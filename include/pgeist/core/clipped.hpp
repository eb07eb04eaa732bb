#pragma once

#include <cstddef>
#include <string_view>

namespace pgeist {

/// Bytes that the server keeps of a name (NAMEDATALEN - 1).
inline constexpr std::size_t longest_identifier = 63;

/// What `most` bytes hold of `text`, without cutting a character of UTF-8 in two. A view of `text`.
[[nodiscard]] std::string_view clipped(std::string_view text, std::size_t most = longest_identifier);

}  // namespace pgeist
