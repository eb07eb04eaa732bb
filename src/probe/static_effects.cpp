#include "pgeist/probe/static_effects.hpp"

#include <fmt/format.h>

#include "static_parts.hpp"

namespace pgeist::probe {

namespace {

using kind = ddl::statement_kind;

/// Statements within others: each meets what those before it have left.
void nested(const ddl::statement& what, schema before, server_version version, effect& into) {
    for (const ddl::statement& each : what.inner) {
        into.merge(static_effect(each, before, version).whole);
        before.apply(each);
    }
    if (what.kind == kind::perform && into.transaction != transaction_need::any) {
        rules::fail(into, "25001", "a statement in the block cannot be run from a block of code",
                    "put it outside of the block");
    }
}

/// What a query calls, nobody has looked into, unless PostgreSQL brings it.
void called(const ddl::statement& what, effect& into) {
    if (what.kind != kind::select) {
        return;
    }
    for (const std::string& each : what.functions) {
        if (!is_own_function(each)) {
            into.not_understood = fmt::format("it calls {}(), which is not looked into", each);
            return;
        }
    }
}

void judge(const rules::question& asked, static_answer& into) {
    const ddl::statement& what = asked.what;
    switch (what.kind) {
        case kind::alter_table:
            return rules::alter(asked, into);
        case kind::drop:
        case kind::truncate:
            return rules::drop(asked, into.whole);
        case kind::reindex:
        case kind::cluster:
        case kind::vacuum:
        case kind::analyze:
        case kind::repack:
        case kind::refresh:
        case kind::lock_table:
        case kind::comment:
        case kind::grant:
            return rules::maintain(asked, into.whole);
        case kind::insert:
        case kind::update:
        case kind::remove:
        case kind::merge:
        case kind::copy:
        case kind::select:
            return rules::query(asked, into.whole);
        case kind::alter_domain:
        case kind::add_enum_value:
        case kind::rename_enum_value:
        case kind::create_type:
        case kind::create_domain:
        case kind::alter_composite:
            return rules::types(asked, into.whole);
        case kind::create_database:
            into.whole.transaction = transaction_need::own;
            return;
        case kind::perform:
        case kind::create_schema:
            return nested(what, asked.before, asked.version, into.whole);
        case kind::not_understood:
        case kind::meta_command:
            return;
        default:
            return rules::create(asked, into.whole);
    }
}

}  // namespace

static_answer static_effect(const ddl::statement& what, const schema& before, server_version version) {
    static_answer made;
    judge(rules::question{what, before, version}, made);
    made.whole.source = evidence::rules;
    if (what.kind == kind::not_understood || !what.why.empty()) {
        made.whole.not_understood = what.why.empty() ? "it is not understood" : what.why;
    }
    called(what, made.whole);
    if (what.since > version.major) {
        made.whole.fails =
            failure{fmt::format("PostgreSQL {} does not have this yet: it came with {}", version.major, what.since),
                    "42601", ""};
    }
    return made;
}

}  // namespace pgeist::probe
