#include "cli/parse_tables.hpp"

#include <algorithm>
#include <array>

#include "cli/parse_option.hpp"

namespace pgeist::cli {

namespace {

/// What belongs to the --table before it.
constexpr std::array of_one_table{"alter", "set", "key"};

/// What is said of a table, and where.
struct place {
    std::size_t position = 0;
    std::string option;
    std::string value;
};

/// Tables, and what belongs to them, in the order in which they are given.
std::vector<place> in_order(const given& options) {
    std::vector<place> all;
    const given_option& tables = *options.find("table");
    for (std::size_t at = 0; at < tables.values.size(); ++at) {
        all.push_back({tables.positions.at(at), "table", tables.values[at]});
    }
    for (const char* name : of_one_table) {
        const given_option* found = options.find(name);
        if (found == nullptr) {
            continue;
        }
        if (found->source != tables.source && tables.values.size() > 1) {
            throw usage_error(fmt::format("{}: it cannot be said to which {} it belongs", found->origin, tables.origin),
                              "give it behind its table, in the same place");
        }
        for (std::size_t at = 0; at < found->values.size(); ++at) {
            all.push_back({tables.values.size() > 1 ? found->positions.at(at) : SIZE_MAX, name, found->values[at]});
        }
    }
    std::stable_sort(all.begin(), all.end(), [](const place& a, const place& b) { return a.position < b.position; });
    return all;
}

void refuse_what_is_of_one_table(const given& options, const std::string& why) {
    for (const char* name : {"file", "repack", "order-by", "only-indexes", "index", "undoes", "resume"}) {
        if (const given_option* found = options.find_meant(name)) {
            throw usage_error(fmt::format("{} does not go with {}", found->origin, why),
                              std::string_view(name) == "file"
                                  ? "a migration file names its tables itself: leave --table out"
                                  : "run it by itself");
        }
    }
    const auto method = options.value("method");
    if (method && *method == "server") {
        throw usage_error(fmt::format("{}: the server itself does nothing but --repack of a --table",
                                      options.find("method")->origin));
    }
}

void put(const place& what, const given& options, plan::change_request& into) {
    const std::string& origin = options.find(what.option)->origin;
    if (what.option == "alter") {
        require_not_blank(origin, what.value);
        into.alters.push_back(what.value);
    } else if (what.option == "set") {
        about(origin, [&] { require_assignment(what.value); });
        into.sets.push_back(what.value);
    } else {
        if (into.key_index) {
            throw usage_error(fmt::format("{} is given more than once for {}", origin, into.table.display()));
        }
        into.key_index = what.value;
    }
}

}  // namespace

bool asks_for_tables(const given& options) {
    const given_option* tables = options.find("table");
    return options.is_on("with-references") || (tables != nullptr && tables->values.size() > 1);
}

commands::tables_request read_tables(const given& options) {
    if (options.find("table") == nullptr) {
        throw usage_error(options.find("with-references")->origin + " needs a --table",
                          "name the table whose key changes: --table [SCHEMA.]NAME --alter …");
    }
    commands::tables_request made;
    made.with_references = options.is_on("with-references");
    const std::string origin = options.find(made.with_references ? "with-references" : "table")->origin;
    refuse_what_is_of_one_table(options, made.with_references ? origin : "several tables");
    for (const place& each : in_order(options)) {
        if (each.option == "table") {
            made.changes.emplace_back();
            about(options.find("table")->origin, [&] { made.changes.back().table = parse_qualified_name(each.value); });
        } else if (made.changes.empty()) {
            throw usage_error(fmt::format("{} stands before the first --table: to which table it belongs is not said",
                                          options.find(each.option)->origin),
                              "with several tables, --alter, --set and --key belong to the --table before them");
        } else {
            put(each, options, made.changes.back());
        }
    }
    for (const plan::change_request& each : made.changes) {
        if (each.alters.empty()) {
            throw usage_error(fmt::format("there is nothing to change in {}", each.table.display()),
                              "give --alter behind its --table");
        }
    }
    return made;
}

void require_one_table(const given& options) {
    for (const char* name : {"table", "key"}) {
        const given_option* found = options.find(name);
        if (found != nullptr && found->values.size() > 1) {
            throw usage_error(found->origin + " is given more than once");
        }
    }
}

}  // namespace pgeist::cli
