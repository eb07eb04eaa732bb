#include "pgeist/core/template.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace pgeist {

namespace {

/// Lines that are comments name the placeholders; a value with a line break must not escape from one.
std::string without_comment_lines(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size() - 1);
        const std::string_view line = text.substr(0, end + 1);
        if (line.substr(0, 2) != "--") {
            out += line;
        }
        text.remove_prefix(end + 1);
    }
    return out;
}

}  // namespace

std::string fill_template(std::string_view with_comments,
                          const std::vector<std::pair<std::string, std::string>>& values) {
    const std::string sql = without_comment_lines(with_comments);
    std::string_view text = sql;
    std::string out;
    while (true) {
        const auto start = text.find('@');
        out += text.substr(0, start);
        if (start == std::string_view::npos) {
            return out;
        }
        text.remove_prefix(start + 1);
        const auto end = text.find('@');
        const std::string_view name = text.substr(0, end);
        const auto value =
            std::find_if(values.begin(), values.end(), [&](const auto& each) { return each.first == name; });
        if (end == std::string_view::npos || value == values.end()) {
            throw std::logic_error("no value for a placeholder of a template: " + std::string(name.substr(0, 40)));
        }
        out += value->second;
        text.remove_prefix(end + 1);
    }
}

}  // namespace pgeist
