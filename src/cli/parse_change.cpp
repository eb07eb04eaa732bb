#include "cli/parse_change.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/parse_option.hpp"
#include "cli/parse_tables.hpp"
#include "cli/sql_statements.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/plan/row_order.hpp"

namespace pgeist::cli {

namespace {

plan::copy_order read_copy_order(const given& options) {
    const std::string text = options.value("copy-order").value_or("auto");
    if (text == "auto") {
        return plan::copy_order::automatic;
    }
    if (text == "key") {
        return plan::copy_order::key;
    }
    if (text == "heap") {
        return plan::copy_order::heap;
    }
    throw usage_error(fmt::format("{}: \"{}\" is not known", options.find("copy-order")->origin, text),
                      "use auto, key or heap");
}

void read_row_order(const given& options, plan::change_request& into) {
    const given_option* found = options.find("order-by");
    if (found == nullptr) {
        return;
    }
    if (!into.repack) {
        throw usage_error(found->origin + " needs --repack", "it puts the rows of a table that is rebuilt in order");
    }
    if (const given_option* other = options.find("copy-order")) {
        throw usage_error(fmt::format("{} and {} exclude each other", found->origin, other->origin));
    }
    into.order_by = options.value("order-by");
    about(found->origin, [&] { static_cast<void>(plan::parse_row_order(*into.order_by)); });
}

/// `--file` without `--table`: statements for any number of tables.
void read_migration(const given& options, invocation& into) {
    for (const char* name : {"set", "key", "order-by"}) {
        if (const given_option* found = options.find(name)) {
            throw usage_error(fmt::format("{} belongs to a --table, and a migration file has none", found->origin),
                              "write it into the file, or change that table by itself");
        }
    }
    const std::string file = *options.value("file");
    into.file.emplace();
    into.file->file = plan::read_migration_file(file, read_file(file));
    into.file->resume = options.is_on("resume");
    if (const auto other = options.value("undoes")) {
        into.file->undoes = plan::read_migration_file(*other, read_file(*other)).identity;
    }
}

void read_change(const given& options, plan::change_request& into) {
    require_one_table(options);
    for (const char* name : {"undoes", "resume"}) {
        if (const given_option* found = options.find(name)) {
            throw usage_error(fmt::format("{} is about a migration file, which has no --table", found->origin));
        }
    }
    into.table = read_table(options);
    into.alters = options.values("alter");
    if (const auto file = options.value("file")) {
        about(options.find("file")->origin, [&] { into.alters = split_statements(read_file(*file)); });
        if (into.alters.empty()) {
            throw usage_error(fmt::format("there is no statement in {}", *file));
        }
    }
    into.repack = options.is_on("repack");
    into.key_index = options.value("key");
    into.order = read_copy_order(options);
    read_row_order(options, into);
    for (const std::string& text : options.values("set")) {
        about(options.find("set")->origin, [&] { require_assignment(text); });
        into.sets.push_back(text);
    }
    for (const std::string& text : options.values("alter")) {
        require_not_blank(options.find("alter")->origin, text);
    }
    if (into.alters.empty() && !into.repack) {
        throw usage_error("there is nothing to change", "give --alter, --file or --repack");
    }
}

/// @returns whether more than one change of one table is asked for
bool read_several(const given& options, invocation& into) {
    if (asks_for_tables(options)) {
        into.tables = read_tables(options);
        const plan::copy_order order = read_copy_order(options);
        for (plan::change_request& each : into.tables->changes) {
            each.order = order;
        }
        return true;
    }
    if (options.find("file") != nullptr && options.find("table") == nullptr) {
        read_migration(options, into);
        return true;
    }
    return false;
}

/// `--only-indexes` and `--index`: nothing of the table itself is changed. @returns whether that is asked for
bool read_reindex(const given& options, std::optional<reindex::request>& into) {
    const bool all = options.is_on("only-indexes");
    if (!all && !options.has("index")) {
        return false;
    }
    const std::string origin = options.find(all ? "only-indexes" : "index")->origin;
    if (all && options.has("index")) {
        throw usage_error(origin + " and --index exclude each other", "give one of them");
    }
    for (const char* each : {"alter", "file", "set", "key", "copy-order", "order-by"}) {
        if (options.has(each)) {
            throw usage_error(fmt::format("{} changes nothing of the table itself: {} does not go with it", origin,
                                          options.find(each)->origin),
                              "run the two one after the other");
        }
    }
    const auto table = options.value("table");
    if (!table) {
        throw usage_error(origin + " needs --table", "name the table: --table [SCHEMA.]NAME");
    }
    into.emplace();
    into->table = read_table(options);
    into->indexes = options.values("index");
    for (const std::string& each : into->indexes) {
        about(origin, [&] { static_cast<void>(parse_qualified_name(each)); });
    }
    return true;
}

/// The server's own repack does nothing but that.
void require_server_repack(const given& options) {
    const std::string& origin = options.find("method")->origin;
    if (!options.is_on("repack") || options.find("table") == nullptr) {
        throw usage_error(origin + ": the server itself does nothing but --repack of a --table");
    }
    for (const char* name : {"alter", "file", "set", "key", "copy-order", "order-by", "only-indexes", "index",
                             "postpone-swap", "postpone-file", "swap-window", "keep-old", "revertible"}) {
        if (const given_option* found = options.find_meant(name)) {
            throw usage_error(fmt::format("{}: the server's REPACK has no such thing", found->origin),
                              "leave it out, or repack by a copy: --method copy");
        }
    }
}

/// What only a copy can do makes the change one.
void let_options_choose(const given& options, run::settings& into) {
    const bool in_place = options.is_on("only-indexes") || options.find("index") != nullptr;
    if (into.method == run::method_choice::server) {
        require_server_repack(options);
        return;
    }
    if (into.method == run::method_choice::copy || in_place) {
        return;
    }
    for (const char* name : {"postpone-swap", "postpone-file", "swap-window", "keep-old", "key", "copy-order",
                             "revertible", "repack", "set", "with-references"}) {
        const given_option* found = options.find(name);
        const option_info* known = find_option(name);
        if (found == nullptr || known == nullptr || (known->is_switch() && !options.is_on(name))) {
            continue;
        }
        if (into.method == run::method_choice::native) {
            throw usage_error(fmt::format("{}: this needs a copy, and --method native allows none", found->origin),
                              "leave one of the two out");
        }
        const bool of_one_table = std::string_view(name) == "key" || std::string_view(name) == "set";
        if (of_one_table && asks_for_tables(options)) {
            continue;  // the others may do without
        }
        into.method = run::method_choice::copy;
    }
}

/// What `pgeist rehearse` takes besides a change.
void read_rehearsing(const given& options, invocation& into) {
    const std::string text = options.value("locks").value_or("sample");
    const auto how = run::rehearsed_locks_of(text);
    if (!how) {
        throw usage_error(fmt::format("{}: \"{}\" is not known", options.find("locks")->origin, text),
                          "use none, sample or take");
    }
    into.settings.locks = *how;
    if (*how == run::rehearsed_locks::take && into.settings.method == run::method_choice::automatic) {
        into.settings.method = run::method_choice::copy;  // what takes no copy would take its lock for good
    }
    for (const std::string& each : options.values("fail-if")) {
        about(options.find("fail-if")->origin,
              [&] { into.rehearsal.limits.push_back(commands::parse_rehearsal_limit(each)); });
    }
    if (const auto plan = options.value("scale-to")) {
        about(options.find("scale-to")->origin, [&] { commands::read_scale(read_file(*plan), into.settings); });
        if (into.settings.method == run::method_choice::native) {
            throw usage_error(options.find("scale-to")->origin +
                              " is about a copy, which --method native does without");
        }
        // That plan is of a copy: here the table may be so small that it would be done without, and nothing be
        // measured.
        into.settings.method = run::method_choice::copy;
    }
    into.rehearsal.markdown = writable(options, "markdown");
}

}  // namespace

void read_run(const given& options, invocation& into) {
    if (options.has("where") || options.is_on("delete")) {
        throw usage_error("--where and --delete are of a backfill", "give --set or --delete alone");
    }
    if (!read_several(options, into) && !read_reindex(options, into.reindex)) {
        read_change(options, into.change);
    }
    read_settings(options, into.settings);
    let_options_choose(options, into.settings);
}

void read_rehearsal(const given& options, invocation& into) {
    for (const char* each : {"only-indexes", "index"}) {
        if (options.has(each)) {
            throw usage_error(options.find(each)->origin + " is not rehearsed: it makes no copy");
        }
    }
    if (!read_several(options, into)) {
        read_change(options, into.change);
    }
    read_settings(options, into.settings);
    let_options_choose(options, into.settings);
    if (into.settings.method == run::method_choice::server) {
        throw usage_error(options.find("method")->origin + ": what the server does is not rehearsed");
    }
    read_rehearsing(options, into);
}

}  // namespace pgeist::cli
