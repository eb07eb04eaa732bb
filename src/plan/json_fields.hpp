#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "pgeist/core/identifier.hpp"

/// Small readers and writers shared by the JSON forms of the plan. A field that is missing or of another type throws.
namespace pgeist::plan::json_fields {

namespace json = boost::json;

[[nodiscard]] inline json::value from(const std::optional<std::string>& text) {
    return text ? json::value(*text) : json::value(nullptr);
}

[[nodiscard]] inline json::value from(const qualified_name& name) {
    return json::object{{"schema", name.schema}, {"name", name.name}};
}

[[nodiscard]] inline json::value from(const std::vector<std::string>& items) {
    return json::array(items.begin(), items.end());
}

[[nodiscard]] inline std::string text(const json::object& object, const char* field) {
    return std::string(object.at(field).as_string());
}

[[nodiscard]] inline std::optional<std::string> optional_text(const json::object& object, const char* field) {
    const auto& value = object.at(field);
    if (value.is_null()) {
        return std::nullopt;
    }
    return std::string(value.as_string());
}

[[nodiscard]] inline bool flag(const json::object& object, const char* field) { return object.at(field).as_bool(); }

[[nodiscard]] inline std::int64_t number(const json::object& object, const char* field) {
    return object.at(field).to_number<std::int64_t>();
}

[[nodiscard]] inline qualified_name name(const json::value& value) {
    return qualified_name{text(value.as_object(), "schema"), text(value.as_object(), "name")};
}

[[nodiscard]] inline std::vector<std::string> texts(const json::object& object, const char* field) {
    std::vector<std::string> items;
    for (const auto& item : object.at(field).as_array()) {
        items.emplace_back(item.as_string());
    }
    return items;
}

/// Every element of the array `field`, read by `read`.
template <class Read>
[[nodiscard]] auto list(const json::object& object, const char* field, Read read) {
    std::vector<decltype(read(std::declval<const json::value&>()))> items;
    for (const auto& item : object.at(field).as_array()) {
        items.push_back(read(item));
    }
    return items;
}

template <class Item, class Write>
[[nodiscard]] json::array array(const std::vector<Item>& items, Write write) {
    json::array out;
    for (const auto& item : items) {
        out.push_back(write(item));
    }
    return out;
}

}  // namespace pgeist::plan::json_fields
