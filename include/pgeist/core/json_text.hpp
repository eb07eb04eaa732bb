#pragma once

#include <string_view>

#include <boost/json.hpp>

namespace pgeist {

namespace detail {
[[nodiscard]] inline boost::json::parse_options any_bytes() {
    boost::json::parse_options options;
    options.allow_invalid_utf8 = true;
    return options;
}
}  // namespace detail

/// What the server, or an earlier session, has written as JSON. What a database in SQL_ASCII holds need not be UTF-8:
/// it is taken, and written again, byte for byte. @throws boost::system::system_error when it is no JSON.
[[nodiscard]] inline boost::json::value json_from(std::string_view text) {
    return boost::json::parse(text, {}, detail::any_bytes());
}

/// The same, with `problem` set instead.
[[nodiscard]] inline boost::json::value json_from(std::string_view text, boost::json::error_code& problem) {
    return boost::json::parse(text, problem, {}, detail::any_bytes());
}

}  // namespace pgeist
