#include "cli/parse_in_place.hpp"

#include <algorithm>

#include "cli/parse_option.hpp"
#include "cli/parse_tables.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::cli {

void read_fill(const given& options, fill::request& into) {
    require_one_table(options);
    into.table = read_table(options);
    for (const std::string& text : options.values("set")) {
        about(options.find("set")->origin, [&] { require_assignment(text); });
        into.sets.push_back(text);
    }
    into.where = options.value("where");
    into.remove = options.is_on("delete");
    into.key_index = options.value("key");
    if (into.where) {
        require_not_blank(options.find("where")->origin, *into.where);
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
    require_one_table(options);
    into.table = read_table(options);
    into.adds = options.values("add");
    into.renames = options.values("rename");
    into.key_index = options.value("key");
    const std::pair<const char*, std::vector<std::string>*> both[] = {{"up", &into.ups}, {"down", &into.downs}};
    for (const auto& [name, texts] : both) {
        for (const std::string& text : options.values(name)) {
            about(options.find(name)->origin, [&] { require_assignment(text); });
            texts->push_back(text);
        }
    }
    for (const std::string& text : into.renames) {
        about(options.find("rename")->origin, [&] { require_assignment(text, "OLD=NEW"); });
    }
    if (const auto conflict = options.value("conflict")) {
        about(options.find("conflict")->origin, [&] { into.conflict = expand::policy_named(*conflict); });
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
