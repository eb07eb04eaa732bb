#pragma once

#include <string>
#include <vector>

namespace pgeist::way_back {

/// What `pgeist revert` asks for, as members of what is stored of the way back: see job::save_revert().
[[nodiscard]] std::string members_of_request(const std::vector<std::string>& lose, bool only_check);

}  // namespace pgeist::way_back
