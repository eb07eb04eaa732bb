#include "comments.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/comments.hpp"

namespace pgeist::way_back {

namespace {

/// Where a description keeps the comment on a part, and what COMMENT ON calls it.
struct place {
    std::optional<std::string>* comment = nullptr;  ///< null: there is no such part
    std::string target;
};

template <class Parts>
std::optional<std::string>* comment_in(Parts& parts, const std::string& name) {
    const auto found = std::find_if(parts.begin(), parts.end(), [&](const auto& each) { return each.name == name; });
    return found == parts.end() ? nullptr : &found->comment;
}

std::string on_table(const std::string& kind, const std::string& name, const catalog::table& of) {
    return fmt::format("{} {} ON {}", kind, quote_identifier(name), of.name.sql());
}

place find_statistics(catalog::table& of, const std::string& name) {
    for (auto& each : of.extended_statistics) {
        if (each.name.name == name) {
            return {&each.comment, "STATISTICS " + each.name.sql()};
        }
    }
    return {};
}

place find_place(catalog::table& of, const std::string& kind, const std::string& name) {
    if (kind == "TABLE") {
        return {&of.comment, "TABLE " + of.name.sql()};
    }
    if (kind == "TYPE") {
        return {&of.type_comment, "TYPE " + of.name.sql()};
    }
    if (kind == "COLUMN") {
        return {comment_in(of.columns, name), fmt::format("COLUMN {}.{}", of.name.sql(), quote_identifier(name))};
    }
    if (kind == "CONSTRAINT") {
        auto* own = comment_in(of.constraints, name);
        return {own != nullptr ? own : comment_in(of.foreign_keys, name), on_table(kind, name, of)};
    }
    if (kind == "INDEX") {
        return {comment_in(of.indexes, name), "INDEX " + qualified_name{of.name.schema, name}.sql()};
    }
    if (kind == "TRIGGER") {
        return {comment_in(of.triggers, name), on_table(kind, name, of)};
    }
    if (kind == "POLICY") {
        return {comment_in(of.policies, name), on_table(kind, name, of)};
    }
    if (kind == "RULE") {
        return {comment_in(of.rules, name), on_table(kind, name, of)};
    }
    return find_statistics(of, name);
}

/// The name that a part of the table in use has at the table that waits; empty where it has none.
std::string name_there(const target::build_context& at, const catalog::commented& part, const catalog::table& before) {
    if (part.kind != "COLUMN") {
        return part.name;
    }
    const catalog::column* column = at.source.find_column(part.name);
    for (const auto& [waiting, in_use] : at.source_attnums) {
        const catalog::column* there = before.find_column(waiting);
        if (column != nullptr && in_use == column->attnum && there != nullptr) {
            return there->name;
        }
    }
    return {};
}

std::optional<std::string> text_then(const plan::revert_plan& now, const catalog::commented& part) {
    const std::string key = plan::commented_key(part.kind, part.name);
    for (const auto& [what, text] : now.comments) {
        if (what == key) {
            return text;
        }
    }
    return std::nullopt;
}

}  // namespace

awaitable<void> lead_comments(target::build_context& at, const plan::revert_plan& now, catalog::table& before) {
    const auto parts = co_await catalog::read_comments(at.conn, at.source.oid);
    for (const catalog::commented& part : parts) {
        if (part.text == text_then(now, part)) {
            continue;
        }
        const place found = find_place(before, part.kind, name_there(at, part, before));
        if (found.comment != nullptr) {
            *found.comment = part.text;
        }
    }
}

awaitable<void> plan_comments(target::build_context& at, const catalog::table& before, plan::blueprint& into) {
    const auto parts = co_await catalog::read_comments(at.conn, at.shadow_oid);
    catalog::table wanted = before;
    wanted.name = at.source.name;
    for (const catalog::commented& part : parts) {
        const place found = find_place(wanted, part.kind, part.name);
        if (found.comment == nullptr || *found.comment == part.text) {
            continue;
        }
        const std::string text = *found.comment ? quote_literal(**found.comment) : std::string("NULL");
        into.swap.add(plan::stage::attach,
                      {"the comment on " + found.target, fmt::format("COMMENT ON {} IS {}", found.target, text)});
    }
}

}  // namespace pgeist::way_back
