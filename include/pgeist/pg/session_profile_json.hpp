#pragma once

#include <boost/json/value.hpp>

#include "pgeist/pg/session_profile.hpp"

namespace pgeist::pg {

/// As jobs store it: a list of names and values, in the order in which they are set.
[[nodiscard]] boost::json::value to_json(const session_profile& profile);

/// @throws std::exception when it is no such list
[[nodiscard]] session_profile session_profile_from_json(const boost::json::value& stored);

}  // namespace pgeist::pg
