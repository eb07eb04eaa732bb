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
