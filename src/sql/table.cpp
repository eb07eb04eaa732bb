#include "pgeist/sql/table.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace pgeist::sql {

namespace {

/// `fillfactor=70` of pg_class.reloptions as SQL.
std::string option_sql(const std::string& prefix, const std::string& option) {
    const auto equals = option.find('=');
    const std::string value = equals == std::string::npos ? std::string() : option.substr(equals + 1);
    return fmt::format("{}{} = {}", prefix, quote_identifier(option.substr(0, equals)), quote_literal(value));
}

std::string alter_column(const qualified_name& target, const catalog::column& column) {
    return fmt::format("ALTER TABLE {} ALTER COLUMN {}", target.sql(), quote_identifier(column.name));
}

}  // namespace

std::string option_list(const std::vector<std::string>& options) {
    std::vector<std::string> parts;
    for (const auto& option : options) {
        parts.push_back(option_sql("", option));
    }
    return join(parts, ", ");
}

std::string storage_parameters(const catalog::table& source) {
    std::vector<std::string> options;
    for (const auto& option : source.options) {
        options.push_back(option_sql("", option));
    }
    for (const auto& option : source.toast_options) {
        options.push_back(option_sql("toast.", option));
    }
    return options.empty() ? std::string() : fmt::format(" WITH ({})", join(options, ", "));
}

pg::statement comment_on(const std::string& object, const std::string& text) {
    return {fmt::format("comment on {}", object), fmt::format("COMMENT ON {} IS {}", object, quote_literal(text))};
}

std::string with_operators(const catalog::operator_schemas& schemas, std::string sql) {
    if (schemas.empty()) {
        return sql;
    }
    return fmt::format("SET LOCAL search_path TO pg_catalog, {}; {}; SET LOCAL search_path TO pg_catalog",
                       join(schemas, ", "), sql);
}

pg::statement create_table(const catalog::table& source, const qualified_name& target) {
    return {"the table",
            fmt::format("CREATE {}TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE "
                        "INCLUDING COMPRESSION INCLUDING COMMENTS){}",
                        source.persistence == 'u' ? "UNLOGGED " : "", target.sql(), source.name.sql(),
                        storage_clauses(source))};
}

std::string storage_clauses(const catalog::table& source) {
    return fmt::format(" USING {}{}{}", quote_identifier(source.access_method), storage_parameters(source),
                       source.tablespace.empty() ? "" : " TABLESPACE " + quote_identifier(source.tablespace));
}

statements declared_dimensions(const catalog::table& source, const qualified_name& target) {
    statements all;
    // A type cannot be restated where a generated column uses it, or of a column that is inherited, as all of an
    // inheriting table's are from the column_parent; nothing but the catalog's number is lost then.
    const auto is_used = [&](const catalog::column& column) {
        return std::any_of(source.columns.begin(), source.columns.end(), [&](const catalog::column& other) {
            return other.generated != 0 && other.default_expression.value_or("").find(column.name) != std::string::npos;
        });
    };
    for (const auto& column : source.columns) {
        if (column.dimensions == 0 || !column.type.ends_with("[]") || column.generated != 0 ||
            source.inherits_columns() || is_used(column)) {
            continue;
        }
        std::string type = column.type;
        for (int more = 1; more < column.dimensions; ++more) {
            type += "[]";
        }
        all.push_back({"column " + display_identifier(column.name),
                       fmt::format("{} TYPE {}{}", alter_column(target, column), type,
                                   column.collation.empty() ? "" : " COLLATE " + column.collation)});
    }
    return all;
}

statements column_details(const catalog::table& source, const qualified_name& target) {
    statements all;
    for (const auto& column : source.columns) {
        const std::string label = "column " + display_identifier(column.name);
        if (column.statistics) {
            all.push_back(
                {label, fmt::format("{} SET STATISTICS {}", alter_column(target, column), *column.statistics)});
        }
        if (!column.options.empty()) {
            all.push_back(
                {label, fmt::format("{} SET ({})", alter_column(target, column), option_list(column.options))});
        }
    }
    if (source.comment) {
        all.push_back(comment_on("TABLE " + target.sql(), *source.comment));
    }
    if (source.type_comment) {
        all.push_back(comment_on("TYPE " + target.sql(), *source.type_comment));
    }
    return all;
}

statements add_constraint(const catalog::constraint& each, const qualified_name& target) {
    const std::string name = quote_identifier(each.name);
    statements all;
    all.push_back({"constraint " + display_identifier(each.name),
                   with_operators(each.operator_schemas, fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}",
                                                                     target.sql(), name, each.definition))});
    if (each.comment) {
        all.push_back(comment_on(fmt::format("CONSTRAINT {} ON {}", name, target.sql()), *each.comment));
    }
    return all;
}

statements constraint_corrections(const catalog::table& source, const catalog::table& found,
                                  const qualified_name& target) {
    statements all;
    for (const auto& wanted : source.constraints) {
        if (wanted.type != 'c' && wanted.type != 'n') {
            continue;
        }
        const auto* made = found.find_constraint(wanted.name);
        // LIKE makes not-null constraints valid that are NOT VALID on the source: its rows may break them.
        if (made != nullptr && made->definition == wanted.definition && made->comment == wanted.comment) {
            continue;
        }
        if (made != nullptr) {
            all.push_back(
                {"constraint " + display_identifier(wanted.name),
                 fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", target.sql(), quote_identifier(wanted.name))});
        }
        for (auto& each : add_constraint(wanted, target)) {
            all.push_back(std::move(each));
        }
    }
    return all;
}

statements add_identity(const catalog::table& source, const catalog::sequence& from, const qualified_name& target) {
    statements all;
    const auto* column = source.find_column(from.column);
    if (column == nullptr) {
        return all;
    }
    const qualified_name name{target.schema, from.name.name};
    const std::string label = "sequence " + display_identifier(from.name.name);
    all.push_back(
        {label, fmt::format("{} ADD GENERATED {} AS IDENTITY (SEQUENCE NAME {})", alter_column(target, *column),
                            column->identity == 'a' ? "ALWAYS" : "BY DEFAULT", name.sql())});
    // In a second statement, because the first one takes no type: the sequence may have another one than the column.
    all.push_back({label, fmt::format("ALTER SEQUENCE {} AS {} INCREMENT BY {} MINVALUE {} MAXVALUE {} START WITH {} "
                                      "RESTART WITH {} CACHE {} {}CYCLE",
                                      name.sql(), from.type, from.increment, from.minimum, from.maximum, from.start,
                                      from.start, from.cache, from.cycle ? "" : "NO ")});
    if (from.comment) {
        all.push_back(comment_on("SEQUENCE " + name.sql(), *from.comment));
    }
    return all;
}

}  // namespace pgeist::sql
