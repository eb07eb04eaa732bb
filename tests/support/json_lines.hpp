#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgeist::test {

/// Parses text of one JSON object a line; an unfinished last line is left out. Throws std::runtime_error, with the
/// line, on anything that is not an object.
std::vector<boost::json::object> parse_json_lines(const std::string& text);

/// A member as text, numbers and booleans included; empty when it is missing or null.
std::string text_of(const boost::json::object& object, const std::string& member);

/// A member as a whole number; nothing when it is missing or not a number.
std::optional<std::int64_t> number_of(const boost::json::object& object, const std::string& member);

/// True when the member is `true`.
bool is_true(const boost::json::object& object, const std::string& member);

}  // namespace pgeist::test
