#include "pgeist/tasks/file/stored.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"

namespace pgeist::file {

namespace json = boost::json;

namespace {

constexpr int version = 1;

/// @throws error (refused) for what a later version has written
json::object read(const std::string& text) {
    json::value parsed = json_from(text);
    if (!parsed.is_object() || !parsed.as_object().contains("version") ||
        parsed.as_object().at("version").to_number<int>() > version) {
        throw error(exit_code::refused, "the job was made by a later version of pgeist",
                    "go on with it by that version");
    }
    return std::move(parsed.as_object());
}

}  // namespace

std::string change_of(const plan::migration_file& file) {
    return json::serialize(
        json::object{{"version", version}, {"file", file.name}, {"statements", file.statements.size()}});
}

std::string describe_change(const std::string& change) {
    const json::object stored = read(change);
    const auto count = stored.at("statements").to_number<std::int64_t>();
    return fmt::format("{} ({} statement{})", std::string(stored.at("file").as_string()), count, count == 1 ? "" : "s");
}

}  // namespace pgeist::file
