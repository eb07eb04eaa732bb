/* A label provider that takes any label, as a server module: PostgreSQL has none that works on every machine. Declares
 * what it needs of the server itself, so that no server headers are necessary. */

struct abi_fields {
    int version; /* of the server, without the minor one: 1400, 1800 */
    int function_arguments;
    int index_columns;
    int name_bytes;
    int float8_by_value;
#if PGEIST_SERVER_MAJOR >= 15
    char product[32];
#endif
};

struct magic {
    int bytes;
    struct abi_fields fields;
#if PGEIST_SERVER_MAJOR >= 18
    const char *name;
    const char *module_version;
#endif
};

struct object_address;

extern void register_label_provider(const char *provider, void (*check)(const struct object_address *, const char *));

const struct magic *Pg_magic_func(void);
void _PG_init(void);

const struct magic *Pg_magic_func(void) {
    static const struct magic data = {
        sizeof(struct magic),
        {PGEIST_SERVER_MAJOR * 100, 100, 32, 64, 1,
#if PGEIST_SERVER_MAJOR >= 15
         "PostgreSQL"
#endif
        },
#if PGEIST_SERVER_MAJOR >= 18
        0,
        0
#endif
    };
    return &data;
}

static void take_any(const struct object_address *object, const char *label) {
    (void)object;
    (void)label;
}

void _PG_init(void) { register_label_provider("pgeist \"test\"", take_any); }
