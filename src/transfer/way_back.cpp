#include "pgeist/transfer/way_back.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/transfer/image.hpp"
#include "pgeist/transfer/touched.hpp"

namespace pgeist::transfer {

namespace {

/// The column of the new table that an old one has become.
const column* find_new(const way_there& there, const catalog::column& old) {
    const auto found = std::find_if(there.columns.begin(), there.columns.end(),
                                    [&](const column& each) { return each.read_name == old.name; });
    return found == there.columns.end() || there.new_table.find_column(found->name) == nullptr ? nullptr : &*found;
}

const back_set* find_set(const way_there& there, const catalog::column& old) {
    const auto found = there.sets.find(old.name);
    return found == there.sets.end() ? nullptr : &found->second;
}

/// Whether an expression may name one of the columns, of which `but` does not count. Names are quoted in it.
template <class Columns>
bool may_read(const std::string& expression, const Columns& columns, const std::string& but = "") {
    return std::any_of(columns.begin(), columns.end(), [&](const auto& each) {
        return each.name != but && expression.find(quote_identifier(each.name)) != expression.npos;
    });
}

struct mapped {
    column value;
    std::string how;
    std::string refusal;
    bool exact = true;  ///< nothing of the old value can be lost by what is written back
};

column begin(const catalog::column& old) {
    column value;
    value.name = old.name;
    value.type = old.type;
    return value;
}

std::string why_check_refuses(const way_there& there, const catalog::column& old) {
    const auto found = there.refused_by.find(old.name);
    return found == there.refused_by.end()
               ? ""
               : fmt::format(
                     "column {0} is dropped, and {1} refuses what rows made after the swap would have in it, "
                     "{2}: say another value: --back-set \"{0} = EXPRESSION over the new row\"",
                     display_identifier(old.name), display_identifier(found->second.first), found->second.second);
}

mapped map_dropped(const way_there& there, const catalog::column& old, const back_set* set) {
    mapped out;
    out.value = begin(old);
    out.value.compared = false;
    out.exact = false;
    if (old.generated != 0) {
        out.how = "generated";
        return out;
    }
    out.value.kept = true;
    out.refusal = why_check_refuses(there, old);
    if (set != nullptr) {
        out.value.expression = set->expression;
        out.value.remembered = may_read(set->expression, there.new_table.columns);
        out.how = "kept; new rows: " + set->text;
    } else if (old.default_expression) {
        out.how = "kept; new rows: default " + *old.default_expression;
    } else if (old.identity != 0) {
        out.how = "kept; new rows: the next number";
    } else {
        out.how = "kept; new rows: NULL";
        if (old.not_null || there.never_null.count(old.name) > 0) {
            out.refusal = fmt::format(
                "column {} is NOT NULL and is dropped: rows made after the swap would have no value for it; say which: "
                "--back-set \"{} = EXPRESSION over the new row\", or give it a default",
                display_identifier(old.name), display_identifier(old.name));
        }
    }
    return out;
}

/// `old` is generated: it takes no value, but its expression must give what the new table has, where that can be asked.
mapped map_generated(const catalog::column& old, const column& there, const catalog::column& made) {
    mapped out;
    out.value = begin(old);
    out.value.read_name = made.name;
    out.how = "generated";
    if (made.generated != 0) {
        out.value.compared = there.compared;
        return out;
    }
    out.value.inverse = quote_identifier(old.name);
    out.value.read_type = made.type;
    out.value.proven = true;
    out.exact = false;
    out.how = "generated, where it gives the same value";
    return out;
}

/// The old columns that the change computes a value from, also those that it drops: they change again while the old
/// table is in use.
std::vector<watched_column> computed_from(const way_there& there, const catalog::column& old) {
    std::vector<watched_column> columns;
    const auto found = there.computed_from.find(old.name);
    for (const std::string& each : found == there.computed_from.end() ? std::set<std::string>() : found->second) {
        const catalog::column* read = there.old_table.find_column(each);
        if (read != nullptr) {
            columns.push_back(watched_column{read->name, read->type});
        }
    }
    return columns;
}

/// Whether others of them may change while the new table is in use: what a dropped one had stays as it was.
bool reads_others(const way_there& there, const std::vector<watched_column>& columns, const catalog::column& old) {
    return std::any_of(columns.begin(), columns.end(), [&](const watched_column& each) {
        return each.name != old.name && find_new(there, *there.old_table.find_column(each.name)) != nullptr;
    });
}

/// Why nothing tells whether a value that is brought back is the same one there; empty: something does, or the user's
/// own expression answers for it.
std::string why_no_proof(const column& forth, const catalog::column& old, const catalog::column& made, bool others) {
    const bool one_way = forth.expression && (others || !forth.compared) && old.type != made.type &&
                         !is_exact_widening(old.type, made.type);
    return !one_way ? "" : others ? "reads other columns" : "may give another value each time";
}

mapped map_converted(const way_there& there, const catalog::column& old, const column& forth,
                     const catalog::column& made, const back_set* set) {
    mapped out;
    out.value = begin(old);
    out.value.read_name = made.name;
    out.value.expression = set != nullptr ? set->expression : quote_identifier(made.name);
    const bool is_plain = forth.expression == quote_identifier(old.name);
    const bool same_type = old.type == made.type;
    if (set == nullptr && is_plain && same_type) {
        out.how = "unchanged";
        return out;
    }
    const std::string say_how =
        fmt::format("say how: --back-set \"{} = EXPRESSION over the new row\"", display_identifier(old.name));
    out.value.computed_from = computed_from(there, old);
    const bool others = reads_others(there, out.value.computed_from, old);
    const std::string no_proof = why_no_proof(forth, old, made, others);
    if (set == nullptr && !same_type && there.assignable.count(old.name) == 0) {
        out.refusal = fmt::format("column {}: the server assigns no {} to a {}, so its new values have no way back; {}",
                                  display_identifier(old.name), made.type, old.type, say_how);
    } else if (set == nullptr && !no_proof.empty()) {
        out.refusal = fmt::format(
            "column {}: what the change computes for it {}, so that nothing tells whether a new value comes back as "
            "it is; {}",
            display_identifier(old.name), no_proof, say_how);
    }
    if (forth.expression && forth.compared) {
        out.value.inverse = *forth.expression;
        out.value.read_type = made.type;
        out.value.proven = set == nullptr && !same_type && !others;
    }
    out.value.compared = out.value.inverse.has_value();
    out.exact = set == nullptr && is_plain && is_exact_widening(old.type, made.type);
    if (!out.exact) {
        out.value.watched = {watched_column{made.name, made.type}};
        out.value.remembered =
            others || (set != nullptr && may_read(set->expression, there.new_table.columns, made.name));
    }
    if (set != nullptr) {
        out.how = set->text + ", where the new value was changed";
    } else if (same_type) {
        out.how = "the new value, where it was changed";
    } else {
        out.how = fmt::format("{} → {}{}", made.type, old.type,
                              out.exact ? ", where it fits" : ", where it was changed and fits");
    }
    return out;
}

mapped map_column(const way_there& there, const catalog::column& old) {
    const back_set* set = find_set(there, old);
    const column* forth = find_new(there, old);
    if (forth == nullptr) {
        return map_dropped(there, old, set);
    }
    const catalog::column& made = *there.new_table.find_column(forth->name);
    return old.generated != 0 ? map_generated(old, *forth, made) : map_converted(there, old, *forth, made, set);
}

void map_columns(const way_there& there, way_back& into) {
    bool exact = true;
    for (const catalog::column& old : there.old_table.columns) {
        mapped each = map_column(there, old);
        exact = exact && each.exact;
        column_back told;
        told.name = old.name;
        told.new_name = each.value.read_name.value_or("");
        told.how = each.how;
        each.value.conversion = each.how;
        into.told.push_back(std::move(told));
        into.columns.push_back(std::move(each.value));
        if (!each.refusal.empty()) {
            into.refusals.push_back(std::move(each.refusal));
        }
    }
    into.mode = exact ? replay_mode::replace : replay_mode::keep;
    for (const catalog::column& made : there.new_table.columns) {
        into.read_columns.push_back(made.name);
    }
    for (const column& forth : there.columns) {
        if (!forth.read_name && there.new_table.find_column(forth.name) != nullptr) {
            into.added.push_back(forth.name);
        }
    }
}

std::string why_not_walkable(const way_there& there, const catalog::index* by) {
    if (there.key.carried) {
        return "the change drops or converts the key in a way that does not keep its order";
    }
    if (by == nullptr) {
        return fmt::format("the new table has no index of its own for the key {}", display_identifier(there.key.index));
    }
    return by->immediate ? "" : fmt::format("{} is deferrable", display_identifier(by->name));
}

void map_key(const way_there& there, way_back& into) {
    const catalog::index* by = there.key_index.empty() ? nullptr : there.new_table.find_index(there.key_index);
    const std::string reason = why_not_walkable(there, by);
    if (!reason.empty()) {
        into.refusals.push_back(
            fmt::format("{}: the way back needs a unique index, not deferrable, over columns that both tables have; if "
                        "there is one, name it: --key INDEX",
                        reason));
        return;
    }
    into.key = there.key;
    into.key.index = by->name;
    for (std::size_t at = 0; at < into.key.columns.size(); ++at) {
        walk::key_column& part = into.key.columns[at];
        std::swap(part.read_name, part.write_name);
        const catalog::column* column = there.new_table.find_column(part.read_name);
        part.type = column == nullptr ? part.type : column->type;
        part.descending = at < by->columns.size() && by->columns[at].descending;
    }
}

void check_sets(const way_there& there, way_back& into) {
    for (const auto& [name, set] : there.sets) {
        const bool in_key = std::any_of(there.key.columns.begin(), there.key.columns.end(),
                                        [&](const walk::key_column& each) { return each.read_name == name; });
        if (in_key) {
            into.refusals.push_back(
                fmt::format("--back-set \"{}\": column {} is part of the key, by which rows are found again", set.text,
                            display_identifier(name)));
        }
        const catalog::column* old = there.old_table.find_column(name);
        if (old == nullptr || old->generated != 0) {
            into.refusals.push_back(fmt::format("--back-set \"{}\": {} has no column {} that can be set", set.text,
                                                there.old_table.name.display(), display_identifier(name)));
        }
    }
}

}  // namespace

way_back plan_way_back(const way_there& there) {
    way_back out;
    map_columns(there, out);
    map_key(there, out);
    check_sets(there, out);
    return out;
}

spec as_spec(const way_back& back, relation read, relation write, std::string schema, bool row_triggers) {
    spec out;
    out.read = std::move(read);
    out.write = std::move(write);
    out.schema = std::move(schema);
    out.key = back.key;
    out.columns = back.columns;
    out.row_triggers = row_triggers;
    out.mode = back.mode;
    out.sets_apart = true;
    out.read_columns = back.read_columns;
    return out;
}

namespace {

/// A column of the new table once more, when the old one has been live: `back` is what it came from, if anything.
column turned_column(const column& forth, const column* back, const spec& of) {
    column out = forth;
    if (back == nullptr) {  // the change added it
        out.kept = true;
        out.compared = false;
        out.remembered = out.expression && may_read(*out.expression, of.columns);
        return out;
    }
    const bool plain = back->expression == quote_identifier(forth.name) && back->type == forth.type &&
                       forth.expression == quote_identifier(back->name);
    if (forth.expression && back->expression && !plain) {  // what the server generates follows from the others
        // What the row had stays as long as what went back for it has not been changed.
        out.inverse = back->expression;
        out.read_type = back->type;
        out.proven = forth.expression == quote_identifier(back->name) &&
                     back->expression == quote_identifier(forth.name) && is_exact_widening(back->type, forth.type);
        out.remembered = forth.compared && is_held(*back);
        if (!out.proven) {
            out.watched = back->computed_from;
            const bool own = std::any_of(out.watched.begin(), out.watched.end(),
                                         [&](const watched_column& each) { return each.name == back->name; });
            if (!own) {
                out.watched.push_back(watched_column{back->name, back->type});
            }
        }
    }
    return out;
}

}  // namespace

spec turned(const spec& back, const std::vector<column>& there, const walk::key& key) {
    spec out = back;
    out.read = back.write;
    out.write = back.read;
    out.mode = replay_mode::keep;
    out.key = key;
    out.columns.clear();
    out.read_columns.clear();
    for (const column& each : back.columns) {
        out.read_columns.push_back(each.name);
    }
    for (const column& forth : there) {
        const auto found = std::find_if(back.columns.begin(), back.columns.end(),
                                        [&](const column& each) { return forth.read_name == each.name; });
        out.columns.push_back(turned_column(forth, found == back.columns.end() ? nullptr : &*found, back));
    }
    out.fingerprint.clear();
    out.fingerprint_parts.clear();
    return out;
}

std::vector<std::string> describe(const way_back& back) {
    std::vector<std::string> lines;
    lines.emplace_back(back.mode == replay_mode::replace
                           ? "rows are replaced: nothing is dropped, and every conversion has an exact inverse"
                           : "rows keep what the new table does not have, or nobody has changed");
    for (const column_back& each : back.told) {
        const bool renamed = !each.new_name.empty() && each.new_name != each.name;
        lines.push_back(fmt::format("{}{}: {}", display_identifier(each.name),
                                    renamed ? " ← " + display_identifier(each.new_name) : "", each.how));
    }
    for (const std::string& each : back.added) {
        lines.push_back(fmt::format("{}: not in the old table, its values do not come back", display_identifier(each)));
    }
    for (const std::string& each : back.refusals) {
        lines.push_back("no way back: " + each);
    }
    return lines;
}

}  // namespace pgeist::transfer
