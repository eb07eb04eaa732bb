#include "pgeist/catalog/definition.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pgeist/catalog/operators.hpp"

namespace pgeist::catalog {

namespace {

using properties = std::vector<property>;

void add(properties& into, std::string object, std::string text) {
    into.push_back(property{std::move(object), std::move(text)});
}

void add_comment(properties& into, const std::string& object, const std::optional<std::string>& comment) {
    if (comment) {
        add(into, "comment on " + object, *comment);
    }
}

std::string shown_role(const std::string& role) { return role.empty() ? "PUBLIC" : display_identifier(role); }

void add_grants(properties& into, const std::string& object, const access_list& acl, const std::string& owner) {
    for (const auto& each : acl.grants) {
        add(into, "rights on " + object,
            fmt::format("{} for {}{}{}", each.privilege, shown_role(each.grantee),
                        each.grantable ? " with grant option" : "",
                        each.grantor == owner ? "" : " by " + shown_role(each.grantor)));
    }
}

std::string or_default(char value) { return value == 0 ? std::string("default") : std::string(1, value); }

template <class Value>
std::string or_default(const std::optional<Value>& value) {
    return value ? fmt::format("{}", *value) : std::string("default");
}

void add_table(properties& into, const table& of) {
    add(into, "table",
        fmt::format("persistence {}, access method {}, tablespace {}", of.persistence, of.access_method,
                    of.tablespace.empty() ? "default" : of.tablespace));
    add(into, "owner", of.owner);
    for (const auto& option : of.options) {
        add(into, "storage parameter", option);
    }
    for (const auto& option : of.toast_options) {
        add(into, "TOAST storage parameter", option);
    }
    add(into, "replica identity", std::string(1, of.replica_identity));
    if (of.row_security || of.force_row_security) {
        add(into, "row security", fmt::format("enabled {}, forced {}", of.row_security, of.force_row_security));
    }
    add_grants(into, "the table", of.acl, of.owner);
    add_comment(into, "the table", of.comment);
    add_grants(into, "the row type", of.type_acl, of.owner);
    add_comment(into, "the row type", of.type_comment);
}

/// What a partition has from its parent is not its own after it is attached, whatever the flags of an older attachment
/// say; only NOT NULL can be both.
std::string inheritance(const table& of, bool local, int inherited, char type = 0) {
    return of.is_partition && type != 'n' ? fmt::format("parents {}", inherited)
                                          : fmt::format("parents {}, local {}", inherited, local);
}

/// What only tables with parents have: nothing is added for others.
void add_parents(properties& into, const table& of) {
    for (std::size_t place = 0; place < of.inherits.size(); ++place) {
        const auto& each = of.inherits[place];
        add(into, fmt::format("parent {}", each.name.display()),
            each.partitioned ? "partition " + each.bound : fmt::format("number {}", place + 1));
    }
    for (const auto& each : of.columns) {
        if (!each.local || each.inherited != 0) {
            add(into, "inheritance of column " + display_identifier(each.name),
                inheritance(of, each.local, each.inherited));
        }
    }
    for (const auto& each : of.constraints) {
        if (!each.local || each.inherited != 0) {
            add(into, "inheritance of constraint " + display_identifier(each.name),
                inheritance(of, each.local, each.inherited, each.type));
        }
    }
    for (const auto& each : of.indexes) {
        if (each.valid && !each.parent_index.empty()) {
            add(into, "parent of index " + display_identifier(each.name), display_identifier(each.parent_index));
        }
    }
    for (const auto& each : of.inherited_triggers) {
        const std::string object = "inherited trigger " + display_identifier(each.name);
        add(into, object, fmt::format("enabled {}", each.enabled));
        add_comment(into, object, each.comment);
    }
}

/// Operators that the text may not show, of JOIN … USING, IS DISTINCT FROM, NULLIF and CASE: all of the users' own, in
/// their order.
template <class Object>
std::string all_operators(const Object& each) {
    std::string oids;
    for (const std::string& oid : each.operators) {
        oids += oid.front() == 'o' && is_of_users(oid) ? " " + oid.substr(1) : "";
    }
    return each.operator_schemas.empty()
               ? ""
               : fmt::format(" (operators of {}:{})", fmt::join(each.operator_schemas, ", "), oids);
}

void add_column(properties& into, const table& of, const column& each, std::size_t place) {
    const std::string object = "column " + display_identifier(each.name);
    std::string text = fmt::format("number {}, {}", place, each.type);
    if (!each.collation.empty()) {
        text += " collate " + each.collation;
    }
    text += each.not_null ? " not null" : "";
    if (each.generated != 0) {
        text += fmt::format(" generated ({}) as {}", each.generated, each.default_expression.value_or(""));
    } else if (each.default_expression) {
        text += " default " + *each.default_expression;
    }
    if (each.identity != 0) {
        text += fmt::format(" identity ({})", each.identity);
    }
    add(into, object, std::move(text));
    add(into, "storage of " + object,
        fmt::format("{}, compression {}, statistics {}, options {{{}}}", each.storage, or_default(each.compression),
                    or_default(each.statistics), fmt::join(each.options, ",")));
    add_grants(into, object, each.acl, of.owner);
    add_comment(into, object, each.comment);
}

void add_index(properties& into, const table& of, const index& each) {
    if (!each.valid) {
        return;
    }
    const std::string object = "index " + display_identifier(each.name);
    add(into, object, retarget(each.definition, of.printed_name, "TABLE") + all_operators(each));
    std::string statistics;
    for (const auto& part : each.columns) {
        statistics += " " + or_default(part.statistics);
    }
    add(into, "state of " + object,
        fmt::format("tablespace {}, statistics{}, clustered {}, replica identity {}, extensions {{{}}}",
                    each.tablespace.empty() ? "default" : each.tablespace, statistics, each.clustered,
                    each.replica_identity, fmt::join(each.extensions, ",")));
    add_comment(into, object, each.comment);
}

void add_constraint(properties& into, const constraint& each) {
    const std::string object = "constraint " + display_identifier(each.name);
    add(into, object, fmt::format("{} {} (index {}){}", each.type, each.definition, each.index, all_operators(each)));
    add_comment(into, object, each.comment);
}

std::string foreign_key_text(const foreign_key& key) {
    return fmt::format(
        "({}) references {} ({}), match {}, on update {}, on delete {} ({}), deferrable {}, deferred {}, "
        "validated {}, enforced {}, period {}, triggers {}",
        fmt::join(key.columns, ", "), key.self_reference() ? "itself" : key.referenced.display(),
        fmt::join(key.referenced_columns, ", "), key.match, key.on_update, key.on_delete,
        fmt::join(key.delete_set_columns, ", "), key.deferrable, key.deferred, key.validated, key.enforced, key.period,
        fmt::join(key.trigger_states, " "));
}

void add_foreign_keys(properties& into, const table& of) {
    for (const auto& each : of.foreign_keys) {
        const std::string object = "foreign key " + display_identifier(each.name);
        add(into, object, foreign_key_text(each));
        add_comment(into, object, each.comment);
    }
    for (const auto& each : of.inherited_foreign_keys) {
        const std::string object = "inherited foreign key " + display_identifier(each.name);
        add(into, object, foreign_key_text(each));
        add_comment(into, object, each.comment);
    }
    for (const auto& each : of.referenced_by) {
        const std::string object =
            fmt::format("foreign key {} of {}", display_identifier(each.name), each.table.display());
        foreign_key shown = each;
        shown.referenced = {"", "the table"};
        add(into, object, foreign_key_text(shown));
        add_comment(into, object, each.comment);
    }
}

void add_trigger(properties& into, const table& of, const trigger& each) {
    const std::string object = "trigger " + display_identifier(each.name);
    add(into, object,
        fmt::format("{} (enabled {}, extensions {{{}}}){}", retarget(each.definition, of.printed_name, "TABLE"),
                    each.enabled, fmt::join(each.extensions, ","), all_operators(each)));
    add_comment(into, object, each.comment);
    add_comment(into, "constraint of " + object, each.constraint_comment);
}

void add_sequence(properties& into, const table& of, const sequence& each) {
    if (!each.identity) {
        return;
    }
    const std::string object = "sequence " + display_identifier(each.name.name);
    const auto* owner = of.find_column(each.column);
    add(into, object,
        fmt::format("of {}: {} start {} increment {} from {} to {} cache {} cycle {}",
                    owner != nullptr ? owner->name : "", each.type, each.start, each.increment, each.minimum,
                    each.maximum, each.cache, each.cycle));
    add_grants(into, object, each.acl, of.owner);
    add_comment(into, object, each.comment);
}

void add_policy(properties& into, const table& of, const policy& each) {
    const auto shown = [&](const std::optional<std::string>& expression) {
        return expression ? replace_relation(*expression, of.printed_name, "TABLE") : std::string("-");
    };
    const std::string object = "policy " + display_identifier(each.name);
    add(into, object,
        fmt::format("{} {} for {} using {} check {}{}", each.permissive ? "permissive" : "restrictive", each.command,
                    fmt::join(each.roles, ", "), shown(each.using_expression), shown(each.check_expression),
                    all_operators(each)));
    add_comment(into, object, each.comment);
}

void add_rule(properties& into, const table& of, const rule& each) {
    const std::string object = "rule " + display_identifier(each.name);
    add(into, object,
        fmt::format("{} (enabled {}){}", retarget(each.definition, of.printed_name, "TABLE", "TO"), each.enabled,
                    all_operators(each)));
    add_comment(into, object, each.comment);
}

void add_security_label(properties& into, const security_label& each) {
    const std::string of = each.column.empty() ? "the table" : "column " + display_identifier(each.column);
    add(into, fmt::format("security label of {} on {}", each.provider, of), each.label);
}

void add_statistics(properties& into, const table& of, const statistics& each) {
    const std::string object = "statistics " + display_identifier(each.name.name);
    std::string text = each.definition;
    text.replace(text.find(each.printed_name), each.printed_name.size(), "");
    const auto from = text.rfind(" FROM " + of.printed_name);
    add(into, object,
        fmt::format("{}, owner {}, target {}{}", text.substr(0, from), each.owner, or_default(each.target),
                    all_operators(each)));
    add_comment(into, object, each.comment);
}

}  // namespace

std::vector<property> definition(const table& of) {
    properties all;
    add_table(all, of);
    add_parents(all, of);
    for (std::size_t place = 0; place < of.columns.size(); ++place) {
        add_column(all, of, of.columns[place], place + 1);
    }
    for (const auto& each : of.indexes) {
        add_index(all, of, each);
    }
    for (const auto& each : of.constraints) {
        add_constraint(all, each);
    }
    add_foreign_keys(all, of);
    for (const auto& each : of.triggers) {
        add_trigger(all, of, each);
    }
    for (const auto& each : of.sequences) {
        add_sequence(all, of, each);
    }
    for (const auto& each : of.policies) {
        add_policy(all, of, each);
    }
    for (const auto& each : of.rules) {
        add_rule(all, of, each);
    }
    for (const auto& each : of.security_labels) {
        add_security_label(all, each);
    }
    for (const auto& each : of.extended_statistics) {
        add_statistics(all, of, each);
    }
    std::sort(all.begin(), all.end(), [](const property& a, const property& b) {
        return std::tie(a.object, a.text) < std::tie(b.object, b.text);
    });
    return all;
}

std::vector<std::string> definition_in_swap(table of) {
    for (auto* keys : {&of.foreign_keys, &of.referenced_by}) {
        for (auto& key : *keys) {
            key.validated = false;
        }
    }
    std::vector<std::string> lines;
    for (const property& each : definition(of)) {
        lines.push_back(fmt::format("{}: {}", each.object, each.text));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
}

std::vector<std::string> missing_properties(const std::vector<property>& wanted, const std::vector<property>& found) {
    std::vector<std::string> lines;
    for (const auto& each : wanted) {
        if (std::find(found.begin(), found.end(), each) != found.end()) {
            continue;
        }
        const auto other = std::find_if(found.begin(), found.end(), [&](const property& p) {
            return p.object == each.object && std::find(wanted.begin(), wanted.end(), p) == wanted.end();
        });
        lines.push_back(
            fmt::format("{}: {} (found: {})", each.object, each.text, other != found.end() ? other->text : "nothing"));
    }
    return lines;
}

}  // namespace pgeist::catalog
