#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgeist {

/// `text` with every `@name@` replaced by its value, which must be finished SQL (quoted where it needs to be).
/// Lines that begin with `--` are left out. A name in the text without a value is a bug and throws std::logic_error.
[[nodiscard]] std::string fill_template(std::string_view text,
                                        const std::vector<std::pair<std::string, std::string>>& values);

}  // namespace pgeist
