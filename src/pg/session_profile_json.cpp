#include "pgeist/pg/session_profile_json.hpp"

#include <boost/json.hpp>

namespace pgeist::pg {

namespace json = boost::json;

json::value to_json(const session_profile& profile) {
    json::array settings;
    for (const auto& [name, value] : profile.settings()) {
        settings.push_back(json::object{{"name", name}, {"value", value}});
    }
    return settings;
}

session_profile session_profile_from_json(const json::value& stored) {
    session_profile profile;
    for (const json::value& each : stored.as_array()) {
        profile.set(std::string(each.at("name").as_string()), std::string(each.at("value").as_string()));
    }
    return profile;
}

}  // namespace pgeist::pg
