#include <algorithm>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/pg/session_profile_json.hpp"
#include "pgeist/plan/blueprint.hpp"

// What is stored of a job's change and plan. Names and shape are those of the first version: jobs outlive programs.
namespace pgeist {

BOOST_DESCRIBE_STRUCT(qualified_name, (), (schema, name))

namespace pg {

BOOST_DESCRIBE_STRUCT(statement, (), (label, sql))

}  // namespace pg

namespace walk {

BOOST_DESCRIBE_STRUCT(key_column, (),
                      (read_name, write_name, type, collation, less, less_equal, equal, greater_equal, greater,
                       descending))
BOOST_DESCRIBE_STRUCT(key, (), (index, columns, carried, hashable))

std::string_view json_name(const key_column&, std::string_view member) {
    return member == "read_name" ? "source_name" : member == "write_name" ? "shadow_name" : member;
}

}  // namespace walk

namespace transfer {

BOOST_DESCRIBE_STRUCT(watched_column, (), (name, type))
BOOST_DESCRIBE_STRUCT(column, (),
                      (name, type, read_name, expression, compared, conversion, inverse, read_type, proven, kept,
                       watched, remembered, computed_from))

std::string_view json_name(const column&, std::string_view member) {
    return member == "read_name" ? "source_name" : member;
}

bool json_may_lack(const column&, std::string_view member) {
    return member == "inverse" || member == "read_type" || member == "proven" || member == "kept" ||
           member == "watched" || member == "remembered" || member == "computed_from";
}

BOOST_DESCRIBE_ENUM(replay_mode, replace, keep)
BOOST_DESCRIBE_STRUCT(relation, (), (name, oid, has_leaves))
BOOST_DESCRIBE_STRUCT(order_term, (), (expression, direction))
BOOST_DESCRIBE_STRUCT(spec, (),
                      (read, write, schema, key, heap_order, order, columns, row_triggers, mode, sets_apart,
                       fingerprint, fingerprint_parts, read_columns))

bool json_may_lack(const spec&, std::string_view member) { return member == "order"; }

}  // namespace transfer

namespace sql {

BOOST_DESCRIBE_STRUCT(meaning, (), (uses, search_path, condition, draft_sql))
BOOST_DESCRIBE_STRUCT(index, (), (name, create_sql, tablespace, after, exclusive, source_bytes, build_cost, meaning))

bool json_may_lack(const index&, std::string_view member) { return member == "build_cost" || member == "meaning"; }

}  // namespace sql

namespace plan {

namespace {

/// The swap as version 2 stored it.
struct swap_lists {
    std::vector<qualified_name> swap_parents;
    std::vector<qualified_name> swap_locks;
    std::vector<statement> swap_views;
    std::vector<statement> ahead;
    std::vector<statement> before_swap;
    std::vector<statement> instead_of_swap;
    std::vector<statement> before_move;
    std::vector<statement> after_move;
    std::vector<statement> finish;
};
BOOST_DESCRIBE_STRUCT(swap_lists, (),
                      (swap_parents, swap_locks, swap_views, ahead, before_swap, instead_of_swap, before_move,
                       after_move, finish))

}  // namespace

BOOST_DESCRIBE_STRUCT(change_request, (), (table, alters, sets, repack, key_index, order, order_by))
BOOST_DESCRIBE_STRUCT(blueprint, (),
                      (version, table, source_oid, shadow_oid, job_schema, passage_schema, row_triggers, fingerprint,
                       fingerprint_parts, clustered_on, pass_digest, key, heap_order, order, order_text, ordered_by,
                       correlation, columns, key_index, key_index_is_temporary, indexes, same_operators, violations,
                       violations_between, expected, estimated_rows, table_bytes, index_bytes))

BOOST_DESCRIBE_ENUM(stage, ahead, before, detach, exchange, attach, finish)
BOOST_DESCRIBE_ENUM(lock_way, table, parent, statement, by_reference)
BOOST_DESCRIBE_STRUCT(swap_lock, (), (by, name, sql))
BOOST_DESCRIBE_STRUCT(swap_step, (), (when, label, sql, undo, locks))

std::string_view json_name(const change_request&, std::string_view member) {
    return member == "order" ? "copy_order" : member;
}

bool json_may_lack(const change_request&, std::string_view member) { return member == "order" || member == "order_by"; }

bool json_may_lack(const blueprint&, std::string_view member) {
    constexpr std::string_view later[] = {
        "fingerprint_parts", "clustered_on", "heap_order",  "same_operators",    "pass_digest", "order",
        "order_text",        "ordered_by",   "correlation", "violations_between"};
    return std::find(std::begin(later), std::end(later), member) != std::end(later);
}

namespace {

namespace json = boost::json;

swap_plan from_lists(const swap_lists& stored) {
    swap_step locked;
    locked.when = stage::detach;
    locked.label = "locks";
    for (const auto& each : stored.swap_parents) {
        locked.locks.push_back({lock_way::parent, each, ""});
    }
    for (const auto& each : stored.swap_locks) {
        locked.locks.push_back({lock_way::table, each, ""});
    }
    for (const auto& each : stored.swap_views) {  // their names are written as SQL has them
        locked.locks.push_back({lock_way::statement, {"", each.label}, each.sql});
    }
    swap_plan swap;
    swap.add(std::move(locked));
    swap.add_all(stage::ahead, stored.ahead);
    swap.add_all(stage::before, stored.before_swap);
    for (const auto& each : stored.instead_of_swap) {
        swap_step undone;
        undone.when = stage::before;
        undone.label = each.label;
        undone.undo = each.sql;
        swap.add(std::move(undone));
    }
    swap.add_all(stage::detach, stored.before_move);
    swap.add_all(stage::attach, stored.after_move);
    swap.add_all(stage::finish, stored.finish);
    return swap;
}

swap_plan read_swap(const json::value& from) {
    if (const auto* stored = from.as_object().if_contains("swap")) {
        std::vector<swap_step> steps;
        described_json::read(*stored, steps);
        return swap_plan(std::move(steps));
    }
    swap_lists stored;
    described_json::read(from, stored);
    return from_lists(stored);
}

blueprint read_blueprint(const json::value& from) {
    blueprint value;
    described_json::read(from, value);
    value.version = blueprint::current_version;
    value.swap = read_swap(from);
    if (const auto* stored = from.as_object().if_contains("profile")) {  // earlier versions had none
        value.profile = pg::session_profile_from_json(*stored);
    }
    const auto guess_cost = [](index& each) {  // earlier versions went by size
        each.build_cost = each.build_cost == 0 ? each.source_bytes : each.build_cost;
    };
    guess_cost(value.key_index);
    std::for_each(value.indexes.begin(), value.indexes.end(), guess_cost);
    return value;
}

}  // namespace

std::string probe_sql(const qualified_name& view, const qualified_name& table, const meaning& of) {
    return fmt::format("CREATE VIEW {} AS SELECT 1 AS one FROM ONLY {} WHERE {}", view.sql(), table.sql(),
                       of.condition);
}

std::string to_json(const blueprint& value) {
    blueprint sendable = value;
    for (column& each : sendable.columns) {
        // Not every database's encoding has the arrow. It is only for people, unlike all else here.
        boost::replace_all(each.conversion, "→", "->");
    }
    json::value stored = described_json::write(sendable);
    stored.as_object()["swap"] = described_json::write(value.swap.steps());
    stored.as_object()["profile"] = pg::to_json(value.profile);
    return json::serialize(stored);
}

blueprint blueprint_from_json(const std::string& text) {
    std::int64_t version = 0;
    try {
        const auto parsed = json_from(text);
        version = parsed.as_object().at("version").to_number<std::int64_t>();
        if (version >= blueprint::first_version && version <= blueprint::current_version) {
            return read_blueprint(parsed);
        }
    } catch (const std::exception& broken) {
        throw error(exit_code::failed, fmt::format("the stored plan cannot be read: {}", broken.what()));
    }
    throw error(exit_code::failed,
                fmt::format("the stored plan has version {}, this program knows versions {} to {}", version,
                            blueprint::first_version, blueprint::current_version),
                "use the pgeist that started the job");
}

std::string to_json(const transfer::spec& value) {
    transfer::spec sendable = value;
    for (column& each : sendable.columns) {
        boost::replace_all(each.conversion, "→", "->");
    }
    return described_json::to_text(sendable);
}

transfer::spec transfer_from_json(const std::string& text) {
    try {
        return described_json::from_text<transfer::spec>(text);
    } catch (const std::exception& broken) {
        throw error(exit_code::failed, fmt::format("the stored transfer cannot be read: {}", broken.what()));
    }
}

std::string to_json(const change_request& value) { return described_json::to_text(value); }

change_request change_request_from_json(const std::string& text) {
    try {
        return described_json::from_text<change_request>(text);
    } catch (const std::exception& broken) {
        throw error(exit_code::failed, fmt::format("the stored change cannot be read: {}", broken.what()));
    }
}

}  // namespace plan

}  // namespace pgeist
