#include "cli/parse_option.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <unistd.h>

#include "pgeist/settings/options.hpp"

namespace pgeist::cli {

qualified_name read_table(const given& options) {
    const auto table = options.value("table");
    if (!table) {
        throw usage_error("--table is missing", "name the table: --table [SCHEMA.]NAME");
    }
    if (options.values("table").size() > 1) {
        throw usage_error(options.find("table")->origin + " is given more than once");
    }
    qualified_name name;
    about(options.find("table")->origin, [&] { name = parse_qualified_name(*table); });
    return name;
}

void require_not_blank(const std::string& origin, const std::string& text) {
    if (text.find_first_not_of(" \t\n") == std::string::npos) {
        throw usage_error(origin + " is empty");
    }
}

void require_assignment(const std::string& text, const std::string& shape) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || text.find_first_not_of(' ') == equals ||
        text.find_first_not_of(' ', equals + 1) == std::string::npos) {
        throw usage_error(fmt::format("\"{}\" sets nothing", text), "write " + shape);
    }
}

std::string read_file(const std::string& name) {
    std::ostringstream text;
    if (name == "-") {
        text << std::cin.rdbuf();
        return text.str();
    }
    std::ifstream stream(name);
    if (stream) {
        text << stream.rdbuf();
    }
    if (!stream || stream.bad()) {
        throw usage_error(fmt::format("file {} cannot be read", name));
    }
    return text.str();
}

std::string writable(const given& options, std::string_view name) {
    const std::string path = options.value(name).value_or("");
    if (path.empty()) {
        return path;
    }
    const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
    if (std::filesystem::is_directory(path) || ::access(folder.c_str(), W_OK | X_OK) != 0) {
        throw usage_error(fmt::format("{}: {} cannot be written", options.find(name)->origin, path),
                          "name a file in a folder that is there and can be written to");
    }
    return path;
}

void read_settings(const given& options, run::settings& into) {
    for (const run::option& option : run::options()) {
        if (const given_option* found = options.find(option.name)) {
            for (const std::string& value : found->values) {
                about(found->origin, [&] { option.apply(into, value); });
            }
        }
    }
}

}  // namespace pgeist::cli
