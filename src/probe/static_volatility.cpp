#include <algorithm>
#include <array>

#include "pgeist/probe/static_effects.hpp"

namespace pgeist::probe {

namespace {

/// Of those that stand in defaults. In order, for the search.
constexpr std::array volatile_functions{
    "clock_timestamp",  "currval",
    "gen_random_bytes", "gen_random_uuid",
    "gen_salt",         "lastval",
    "nextval",          "pg_backend_pid",
    "random",           "random_normal",
    "setval",           "timeofday",
    "uuid_generate_v1", "uuid_generate_v1mc",
    "uuid_generate_v4", "uuidv4",
    "uuidv7",
};

constexpr std::array steady_functions{
    "abs",
    "age",
    "array",
    "array_append",
    "array_cat",
    "array_fill",
    "array_length",
    "array_to_string",
    "btrim",
    "ceil",
    "chr",
    "coalesce",
    "concat",
    "concat_ws",
    "current_catalog",
    "current_database",
    "current_date",
    "current_role",
    "current_schema",
    "current_setting",
    "current_time",
    "current_timestamp",
    "current_user",
    "date",
    "date_part",
    "date_trunc",
    "decode",
    "encode",
    "extract",
    "floor",
    "format",
    "greatest",
    "hstore",
    "inet_client_addr",
    "int4range",
    "int8range",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "least",
    "left",
    "length",
    "localtime",
    "localtimestamp",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "md5",
    "mod",
    "now",
    "nullif",
    "power",
    "repeat",
    "replace",
    "right",
    "round",
    "rpad",
    "rtrim",
    "session_user",
    "sha256",
    "split_part",
    "statement_timestamp",
    "string_to_array",
    "substr",
    "substring",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsvector",
    "transaction_timestamp",
    "trim",
    "trunc",
    "tsrange",
    "tstzrange",
    "txid_current",
    "upper",
    "user",
    "uuid_nil",
};

template <class Names>
bool has(const Names& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// A schema does not matter for what an extension brings.
std::string bare(const std::string& function) { return function.substr(function.find_last_of('.') + 1); }

}  // namespace

volatility volatility_of(const ddl::expression& value) {
    volatility worst = value.constant ? volatility::constant : volatility::stable;
    for (const std::string& each : value.functions) {
        const bool own = each.find('.') == std::string::npos;
        if (has(volatile_functions, bare(each))) {
            return volatility::changing;
        }
        if (!own || !has(steady_functions, each)) {
            worst = volatility::unsure;
        }
    }
    return worst;
}

bool is_own_function(const std::string& name) {
    static constexpr std::array others{"array_agg",
                                       "avg",
                                       "bool_and",
                                       "bool_or",
                                       "count",
                                       "cume_dist",
                                       "dense_rank",
                                       "every",
                                       "first_value",
                                       "generate_series",
                                       "json_agg",
                                       "json_object_agg",
                                       "jsonb_agg",
                                       "jsonb_object_agg",
                                       "lag",
                                       "last_value",
                                       "lead",
                                       "max",
                                       "min",
                                       "ntile",
                                       "obj_description",
                                       "percentile_cont",
                                       "percentile_disc",
                                       "quote_ident",
                                       "quote_literal",
                                       "rank",
                                       "regexp_matches",
                                       "regexp_replace",
                                       "row_number",
                                       "row_to_json",
                                       "set_config",
                                       "string_agg",
                                       "sum",
                                       "to_regclass",
                                       "to_regtype",
                                       "unnest",
                                       "version",
                                       "has_table_privilege",
                                       "has_schema_privilege",
                                       "col_description",
                                       "json_array_elements",
                                       "jsonb_array_elements",
                                       "jsonb_set"};
    return has(volatile_functions, name) || has(steady_functions, name) || has(others, name) || name.starts_with("pg_");
}

std::vector<std::string> doubtful_functions(const ddl::expression& value) {
    std::vector<std::string> names;
    for (const std::string& each : value.functions) {
        if (has(volatile_functions, bare(each)) || each.find('.') != std::string::npos ||
            !has(steady_functions, each)) {
            names.push_back(each);
        }
    }
    return names;
}

}  // namespace pgeist::probe
