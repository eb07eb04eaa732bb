#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "trial_stage.hpp"
#include "trial_text.hpp"

namespace pgeist::probe {

namespace {

constexpr std::size_t longest_identifier = 63;

std::string replaced(const std::string& sql, const std::vector<std::pair<written_name, std::string>>& with) {
    std::string text;
    std::size_t done = 0;
    for (const auto& [name, replacement] : with) {
        text += sql.substr(done, name.begin - done);
        text += name.in_literal ? quote_literal(replacement) : replacement;
        done = name.end;
    }
    return text + sql.substr(done);
}

/// Of `a.b.c` only `a.b` is replaced.
written_name first_two_parts(const std::string& sql, written_name name) {
    if (name.in_literal) {
        return name;
    }
    const std::vector<token> parts = tokens_of(sql.substr(name.begin, name.end - name.begin));
    name.end = name.begin + parts.at(std::min<std::size_t>(2, parts.size() - 1)).end;
    return name;
}

}  // namespace

std::string sql_name_of(const qualified_name& name) {
    return ddl::sql_name(name.schema) + "." + ddl::sql_name(name.name);
}

std::string in_temp(const std::string& name) { return "pg_temp." + quote_identifier(name); }

std::vector<std::int64_t> whole_ones(const stage& at) {
    std::vector<std::int64_t> oids;
    for (const real_relation& each : at.relations) {
        if (each.wanted == extent::whole) {
            oids.push_back(each.oid);
        }
    }
    return oids;
}

std::string oid_array(const std::vector<std::int64_t>& oids) {
    std::vector<std::string> texts;
    for (const auto oid : oids) {
        texts.push_back(std::to_string(oid));
    }
    return "{" + join(texts, ",") + "}";
}

std::string name_map::add(const qualified_name& real) {
    const auto known = trial_of_.find({real.schema, real.name});
    if (known != trial_of_.end()) {
        return known->second;
    }
    std::string trial = real.name;
    while (real_of_.count(trial) != 0) {
        trial = fmt::format("pgeist_{}_{}", ++number_, real.name);
        trial.resize(std::min(trial.size(), longest_identifier));
    }
    trial_of_[{real.schema, real.name}] = trial;
    real_of_[trial] = real;
    return trial;
}

bool name_map::add_new(const qualified_name& real) {
    const auto known = real_of_.find(real.name);
    if (known != real_of_.end()) {
        return known->second == real;
    }
    trial_of_[{real.schema, real.name}] = real.name;
    real_of_[real.name] = real;
    return true;
}

std::optional<std::string> name_map::find(const std::string& schema, const std::string& name) const {
    const auto known = trial_of_.find({schema, name});
    return known == trial_of_.end() ? std::nullopt : std::optional(known->second);
}

qualified_name name_map::real_of(const std::string& trial, const std::string& otherwise) const {
    const auto known = real_of_.find(trial);
    return known == real_of_.end() ? qualified_name{otherwise, trial} : known->second;
}

bool name_map::stands_alone(const qualified_name& real) const { return find(real.schema, real.name) == real.name; }

std::string name_map::lead_over(const std::string& sql) const {
    std::vector<std::pair<written_name, std::string>> with;
    for (const written_name& each : names_in(sql)) {
        const auto found = each.schema.empty() ? std::nullopt : find(each.schema, each.name);
        if (found) {
            with.emplace_back(first_two_parts(sql, each), in_temp(*found));
        }
    }
    return replaced(sql, with);
}

std::string name_map::in_real_names(const std::string& text, const std::string& otherwise) const {
    std::string told;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        if (text.compare(at, 7, "pg_temp") == 0) {
            end = at + 7;
            while (end < text.size() && (text[end] == '_' || (text[end] >= '0' && text[end] <= '9'))) {
                ++end;
            }
        }
        if (end == at || end >= text.size() || text[end] != '.') {
            told += text[at++];
            continue;
        }
        const std::vector<token> name = tokens_of(text.substr(end + 1));
        if (name.empty() || name.front().begin != 0 || name.front().kind == token_kind::other) {
            told += otherwise + ".";
            at = end + 1;
            continue;
        }
        told += real_of(name.front().value, otherwise).display();
        at = end + 1 + name.front().end;
    }
    return told;
}

namespace {

// Whatever has the name, relations aside, stays what it is: functions, types, collations, operator classes.
constexpr const char* others_sql = R"(
    SELECT n.oid IS NOT NULL AS has_schema,
           EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = w.name)
           OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace = n.oid AND t.typname = w.name
                      AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')))
           OR EXISTS (SELECT FROM pg_catalog.pg_collation l WHERE l.collnamespace = n.oid AND l.collname = w.name)
           OR EXISTS (SELECT FROM pg_catalog.pg_opclass o WHERE o.opcnamespace = n.oid AND o.opcname = w.name)
           OR EXISTS (SELECT FROM pg_catalog.pg_opfamily o WHERE o.opfnamespace = n.oid AND o.opfname = w.name)
           OR EXISTS (SELECT FROM pg_catalog.pg_ts_config f WHERE f.cfgnamespace = n.oid AND f.cfgname = w.name)
           OR EXISTS (SELECT FROM pg_catalog.pg_ts_dict f WHERE f.dictnamespace = n.oid AND f.dictname = w.name) AS is_other
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, place)
      LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
     ORDER BY w.place)";

bool is_system(const std::string& schema) {
    return schema == "pg_catalog" || schema == "information_schema" || schema.rfind("pg_temp", 0) == 0;
}

}  // namespace

awaitable<std::string> lead_statement(stage& at, std::string statement) {
    std::vector<written_name> qualified;
    std::vector<std::string> schemas;
    std::vector<std::string> plain;
    for (written_name& each : names_in(statement)) {
        if (!each.schema.empty() && !is_system(each.schema)) {
            schemas.push_back(each.schema);
            plain.push_back(each.name);
            qualified.push_back(first_two_parts(statement, std::move(each)));
        }
    }
    if (qualified.empty()) {
        co_return statement;
    }
    const std::string schema_list = pg::array_literal(schemas);
    const std::string name_list = pg::array_literal(plain);
    const auto rows = co_await at.session.query(others_sql, schema_list, name_list);
    std::vector<std::pair<written_name, std::string>> with;
    for (std::size_t place = 0; place < qualified.size(); ++place) {
        const written_name& each = qualified[place];
        const int row = static_cast<int>(place);
        const auto known = at.names.find(each.schema, each.name);
        if (known) {
            with.emplace_back(each, in_temp(*known));
        } else if ((rows.boolean(row, "has_schema") || at.new_schemas.contains(each.schema)) &&
                   !rows.boolean(row, "is_other")) {
            if (!at.names.add_new({each.schema, each.name})) {
                throw not_tried("two objects in different schemas are called " + display_identifier(each.name));
            }
            with.emplace_back(each, in_temp(each.name));
        }
    }
    co_return replaced(statement, with);
}

}  // namespace pgeist::probe
