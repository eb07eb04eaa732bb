#include "pgeist/report/json/json_line.hpp"

#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

/// A JSON string. Bytes that are not UTF-8 (libpq's own messages follow the locale) would make the whole line invalid.
std::string quoted(std::string_view value) { return boost::json::serialize(boost::json::string(harmless(value))); }

}  // namespace

void json_line::name(std::string_view name) {
    if (body_.size() > 1) {
        body_ += ',';
    }
    body_ += quoted(name) + ":";
}

json_line& json_line::raw(std::string_view member, std::string_view json) {
    name(member);
    body_ += json;
    return *this;
}

json_line& json_line::text(std::string_view member, std::string_view value) { return raw(member, quoted(value)); }

json_line& json_line::text(std::string_view member, const std::optional<std::string>& value) {
    return raw(member, value ? quoted(*value) : "null");
}

json_line& json_line::integer(std::string_view member, std::int64_t value) {
    return raw(member, std::to_string(value));
}

json_line& json_line::integer(std::string_view member, std::optional<std::int64_t> value) {
    return raw(member, value ? std::to_string(*value) : "null");
}

json_line& json_line::number(std::string_view member, std::optional<double> value, int decimals) {
    return raw(member, value && std::isfinite(*value) ? fmt::format("{:.{}f}", *value, decimals) : "null");
}

json_line& json_line::boolean(std::string_view member, bool value) { return raw(member, value ? "true" : "false"); }

}  // namespace pgeist::report
