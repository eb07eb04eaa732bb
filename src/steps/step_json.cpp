#include <stdexcept>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/steps/step.hpp"

namespace pgeist::probe {

BOOST_DESCRIBE_ENUM(lock_mode, none, access_share, row_share, row_exclusive, share_update_exclusive, share,
                    share_row_exclusive, exclusive, access_exclusive)
BOOST_DESCRIBE_ENUM(relation_kind, unknown, table, partitioned_table, index, sequence, view, materialized_view, type)
BOOST_DESCRIBE_ENUM(evidence, rules, catalog, tried)
BOOST_DESCRIBE_STRUCT(relation_lock, (), (relation, mode, kind))

}  // namespace pgeist::probe

namespace pgeist {

BOOST_DESCRIBE_STRUCT(qualified_name, (), (schema, name))

}  // namespace pgeist

namespace pgeist::steps {

BOOST_DESCRIBE_ENUM(method, nothing, native, validate, concurrently, copy, backfill, reindex, server)
BOOST_DESCRIBE_ENUM(action_kind, transaction, patient, build_index, build_on_partitions, drop_index, reindex, detach,
                    run_alone, copy, backfill, group)
BOOST_DESCRIBE_STRUCT(wanted_lock, (), (relation, mode, kind))
BOOST_DESCRIBE_ENUM(undoing, nothing, constraints, column)
BOOST_DESCRIBE_STRUCT(made_object, (), (table_oid, constraint_oid, attnum, pending))
BOOST_DESCRIBE_STRUCT(action, (),
                      (kind, label, statements, locks, bounded, undo, made, column, checks_anew, as_is, short_waits,
                       relation, index, unnamed))
BOOST_DESCRIBE_STRUCT(copied_table, (), (change, because))
BOOST_DESCRIBE_STRUCT(step, (),
                      (number, statement, line, table, how, why, evidence, locks, rewrites, scans, builds, blocks_ms,
                       estimated_ms, pace, session, actions, copies, otherwise))

/// A later version may have more to say.
bool json_may_lack(const action&, std::string_view) { return true; }
bool json_may_lack(const step&, std::string_view) { return true; }

std::string to_json(const step& what) { return described_json::to_text(what); }

step step_from_json(const std::string& text) {
    try {
        return described_json::from_text<step>(text);
    } catch (const std::exception& problem) {
        throw error(exit_code::failed, fmt::format("a stored step of the job cannot be read: {}", problem.what()),
                    "use the version of pgeist that started the job, or remove the job with `pgeist cleanup JOB`");
    }
}

namespace {

namespace json = boost::json;

json::array strings(const std::vector<std::string>& texts) {
    json::array list;
    for (const std::string& each : texts) {
        list.emplace_back(each);
    }
    return list;
}

json::array locks_as_json(const step& what) {
    json::array list;
    for (const probe::relation_lock& each : what.locks) {
        list.push_back(json::object{{"relation", each.relation}, {"mode", probe::words_of(each.mode)}});
    }
    return list;
}

}  // namespace

std::string describe_json(const step& what, std::optional<std::string_view> state) {
    json::object object;
    object["number"] = what.number;
    object["statement"] = what.statement;
    object["line"] = what.line == 0 ? json::value(nullptr) : json::value(what.line);
    object["table"] = what.table.empty() ? json::value(nullptr) : json::value(what.table);
    object["method"] = word_of(what.how);
    object["why"] = what.why;
    object["evidence"] = probe::word_of(what.evidence);
    object["locks"] = locks_as_json(what);
    object["rewrites"] = strings(what.rewrites);
    object["scans"] = strings(what.scans);
    object["builds"] = strings(what.builds);
    object["blocks_ms"] = described_json::write(what.blocks_ms);
    object["estimated_ms"] = described_json::write(what.estimated_ms);
    if (state) {
        object["state"] = *state;
    }
    return json::serialize(object);
}

}  // namespace pgeist::steps
