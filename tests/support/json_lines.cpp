#include "support/json_lines.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <stdexcept>

namespace pgeist::test {

std::vector<boost::json::object> parse_json_lines(const std::string& text) {
    std::vector<boost::json::object> objects;
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
        const std::string line = text.substr(begin, end - begin);
        begin = end + 1;
        boost::system::error_code error;
        const boost::json::value value = boost::json::parse(line, error);
        if (error || !value.is_object()) {
            throw std::runtime_error("not a JSON object on a line: " + line);
        }
        objects.push_back(value.as_object());
    }
    return objects;
}

std::string text_of(const boost::json::object& object, const std::string& member) {
    const boost::json::value* value = object.if_contains(member);
    if (value == nullptr || value->is_null()) {
        return {};
    }
    if (value->is_string()) {
        return std::string(value->as_string());
    }
    return boost::json::serialize(*value);
}

std::optional<std::int64_t> number_of(const boost::json::object& object, const std::string& member) {
    const boost::json::value* value = object.if_contains(member);
    if (value == nullptr || !value->is_number()) {
        return std::nullopt;
    }
    return value->is_double() ? static_cast<std::int64_t>(value->as_double()) : value->to_number<std::int64_t>();
}

bool is_true(const boost::json::object& object, const std::string& member) {
    const boost::json::value* value = object.if_contains(member);
    return value != nullptr && value->is_bool() && value->as_bool();
}

}  // namespace pgeist::test
