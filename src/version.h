/* The version of the library, as goarena_version() and META.json say it. */
#define GOARENA_VERSION "1.0.0"
