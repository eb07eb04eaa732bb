#pragma once

#include <string>
#include <string_view>

namespace pgeist::cli {

/// What `--print` prints, made from the catalogues of commands and options: the manual page (`man`), the
/// reference of the options (`markdown`), or the completion of a shell (`bash`, `zsh`). @throws usage_error for
/// anything else
[[nodiscard]] std::string generated(std::string_view what);

}  // namespace pgeist::cli
