#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgeist::report {

/// Builds one JSON object on one line, members in the order they are added. Numbers are written plainly (`61.2`), which
/// JSON libraries do not promise.
class json_line {
public:
    json_line& text(std::string_view name, std::string_view value);
    /// null when there is none.
    json_line& text(std::string_view name, const std::optional<std::string>& value);
    json_line& text(std::string_view name, const char* value) { return text(name, std::string_view(value)); }
    json_line& text(std::string_view name, const std::string& value) { return text(name, std::string_view(value)); }
    json_line& integer(std::string_view name, std::int64_t value);
    /// null when there is none.
    json_line& integer(std::string_view name, std::optional<std::int64_t> value);
    /// null when there is none.
    json_line& number(std::string_view name, std::optional<double> value, int decimals);
    json_line& boolean(std::string_view name, bool value);
    /// `json` must be valid JSON.
    json_line& raw(std::string_view name, std::string_view json);

    /// The object, without a line feed.
    [[nodiscard]] std::string str() const { return body_ + "}"; }

private:
    void name(std::string_view name);
    std::string body_ = "{";
};

}  // namespace pgeist::report
