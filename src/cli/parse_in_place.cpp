#include "cli/parse_in_place.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist::cli {

namespace {

/// Calls `read`; a usage error says which option it is about.
template <class Read>
void naming(const std::string& origin, Read&& read) {
    try {
        read();
    } catch (const usage_error& problem) {
        throw usage_error(fmt::format("{}: {}", origin, problem.what()), problem.hint());
    }
}

void require_assignment(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || text.find_first_not_of(' ') == equals ||
        text.find_first_not_of(' ', equals + 1) == std::string::npos) {
        throw usage_error(fmt::format("\"{}\" sets nothing", text), "write COLUMN = EXPRESSION");
    }
}

}  // namespace

void read_fill(const given& options, fill::request& into) {
    const auto table = options.value("table");
    if (!table) {
        throw usage_error("--table is missing", "name the table: --table [SCHEMA.]NAME");
    }
    naming(options.find("table")->origin, [&] { into.table = parse_qualified_name(*table); });
    for (const std::string& text : options.values("set")) {
        naming(options.find("set")->origin, [&] { require_assignment(text); });
        into.sets.push_back(text);
    }
    into.where = options.value("where");
    into.remove = options.is_on("delete");
    into.key_index = options.value("key");
    if (into.where && into.where->find_first_not_of(" \t\n") == std::string::npos) {
        throw usage_error(options.find("where")->origin + " is empty");
    }
    if (into.remove && !into.sets.empty()) {
        throw usage_error("--set and --delete exclude each other", "set rows, or delete them");
    }
    if (into.remove && !into.where) {
        throw usage_error("--delete needs --where", "to delete all rows: TRUNCATE");
    }
    if (into.sets.empty() && !into.remove) {
        throw usage_error("there is nothing to set",
                          "give --set \"COLUMN = EXPRESSION\", or --delete --where CONDITION");
    }
}

void read_expansion(const given& options, expand::request& into) {
    const auto table = options.value("table");
    if (!table) {
        throw usage_error("--table is missing", "name the table: --table [SCHEMA.]NAME");
    }
    naming(options.find("table")->origin, [&] { into.table = parse_qualified_name(*table); });
    into.adds = options.values("add");
    into.renames = options.values("rename");
    into.key_index = options.value("key");
    const std::pair<const char*, std::vector<std::string>*> both[] = {{"up", &into.ups}, {"down", &into.downs}};
    for (const auto& [name, texts] : both) {
        for (const std::string& text : options.values(name)) {
            naming(options.find(name)->origin, [&] { require_assignment(text); });
            texts->push_back(text);
        }
    }
    for (const std::string& text : into.renames) {
        naming(options.find("rename")->origin, [&] { require_assignment(text); });
    }
    if (const auto conflict = options.value("conflict")) {
        naming(options.find("conflict")->origin, [&] { into.conflict = expand::policy_named(*conflict); });
    }
    if (into.adds.empty() && into.renames.empty()) {
        throw usage_error("there is nothing to add",
                          "give --add \"COLUMN TYPE\" with --up and --down, or --rename OLD=NEW");
    }
}

expand::contraction read_contraction(const given& options) {
    const bool tried = options.is_on("try");
    const bool undone = options.is_on("undo");
    if (tried && undone) {
        throw usage_error("--try and --undo exclude each other");
    }
    if (tried) {
        return expand::contraction::try_it;
    }
    return undone ? expand::contraction::undo : expand::contraction::carry_out;
}

bool plans_in_place(const given& options) {
    const bool changes = options.has("alter") || options.has("file") || options.is_on("repack");
    return !changes && (options.has("set") || options.is_on("delete"));
}

void fit_chunks_to_locks(const given& options, run::settings& into) {
    if (!options.has("chunk-time")) {
        into.chunk_time = std::min(into.chunk_time, std::max(into.lock_timeout, std::chrono::milliseconds(10)));
    }
}

}  // namespace pgeist::cli
