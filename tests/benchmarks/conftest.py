"""Small hand-made results, in the form of the files of benchmarks/results."""

import pytest

MACHINE = {
    "machine": {"processor": "Abacus", "cores": 2, "system": "Linux"},
    "versions": {"python": "3.11.7", "numpy": "2.4.6"},
}


HEADS = ("Hidden", "Linear", "ELM", "OSELM")


def interval(mean):
    return {"mean": mean, "interval": [mean - 0.05, mean + 0.05]}


def compressed(name, size, accuracy, most=None):
    return {
        "name": name,
        "accuracy": interval(accuracy)
        | {"difference": accuracy - 0.8, "difference_interval": [accuracy - 0.9, accuracy - 0.7]},
        "ua": interval(accuracy - 0.01),
        "bytes": size,
        "most_bytes": most or size,
        "average_bits": 8 * size / 1000,
        "most_average_bits": 8.0,
    }


def compressed_table(corpus, protocol, network, rows):
    return {
        "corpus": corpus,
        "protocol": protocol,
        "title": "random split of clips" if protocol == "shuffle" else "leave one speaker out",
        "speaker_dependent": protocol == "shuffle",
        "network": network,
        "seeds": 20,
        "folds": 1,
        "tested_per_seed": 54,
        "rows": rows,
        "log": [{"layer": 1, "bits": 4, "score": 0.75, "margin": 0.032, "accepted": True}],
    }


def quantisation():
    ours = [
        compressed("32 bits", 848_756.0, 0.8),
        compressed("8 bits, ours", 215_606.0, 0.82),
        compressed("adaptive, ours", 42_000.0, 0.81, most=78_000.0),
        compressed("1 bits, ours", 31_518.0, 0.7),
    ]
    steps = ("plain rounding", "+ least-squares step", "+ a step for each output", "+ fine-tuning")
    ablation = [
        compressed(f"{width}, {step}", 40_000.0, 0.6 + 0.01 * i)
        for width in ("1 bits", "2 bits", "3 bits", "adaptive")
        for i, step in enumerate(steps)
    ]
    small = [
        compressed("32 bits", 29_420.0, 0.79),
        compressed("8 bits, ours", 9_000.0, 0.795),
        compressed("1 bits, ours", 4_012.0, 0.792),
    ]
    return MACHINE | {
        "paper": {"emodb": {"32": [676, 0.7407], "adaptive": [43, 0.7593], "average_bits": 2.0}},
        "margin": 0.05,
        "alpha": 0.5,
        "fine_tuning": 15,
        "tables": [
            compressed_table("emodb", protocol, network, rows)
            for protocol in ("shuffle", "loso")
            for network, rows in (("256-512-64", ours + ablation), ("32-16", small))
        ],
    }


def quantised_model():
    return {
        "seeds": 3,
        "rows": [
            {
                "name": name,
                "bytes": size,
                "protocols": {
                    "speaker-folds": {"title": "five folds over speakers", "mean_ua": ua}
                },
            }
            for name, size, ua in (("as float16", 36_416, 0.688), ("4 bits", 13_760, 0.6866))
        ],
    }


def rates(learned, tested):
    settings = [
        ("Opus", "12 kbit/s", 11.69, 0.0956),
        ("svd (AMSER)", "r/k 12.5 %", 20.62, 0.098),
        ("basis", "quality 4", 1.5, 0.105),
    ]
    return {
        "learned": learned,
        "tested": tested,
        "recordings": 535,
        "seconds": 1487.0,
        "rows": [
            {"codec": codec, "setting": setting, "kbps": kbps, "rmse": rmse}
            for codec, setting, kbps, rmse in settings
        ],
        "at": {
            "0.105": {
                "basis": 1.5, "basis, live": 1.78, "svdq": 5.07, "svd (AMSER)": None, "Opus": 10.5,
            },
        },
    }  # fmt: skip


def emotions():
    def row(name, ua, difference):
        low, high = difference - 0.01, difference + 0.01
        return {
            "name": name,
            "ua": ua,
            "difference": difference,
            "intervals": [[ua - 0.05, ua + 0.05], [low, high]],
        }

    return {
        "corpus": "emodb",
        "protocol": "leave one speaker out",
        "seeds": 3,
        "utterances": 339,
        "speakers": 10,
        "kbps": {"basis, quality 4": 1.5, "Opus, 12 kbit/s": 11.69, "loss": 1.73},
        "lossy": "basis, quality 4",
        "rows": [
            row("clean -> clean", 0.75, 0.0),
            row("clean -> Opus, 12 kbit/s", 0.79, 0.04),
            row("clean -> basis, quality 4", 0.76, 0.01),
            row("clean -> loss 0.05", 0.74, -0.01),
            row("Opus, 12 kbit/s -> Opus, 12 kbit/s", 0.757, 0.007),
            row("basis, quality 4 -> basis, quality 4", 0.765, 0.015),
            row("basis, quality 4 -> loss 0.05", 0.763, 0.013),
        ],
    }


def words():
    def wer(value, against):
        none = {"value": 0.0, "interval": [0.0, 0.0]}
        difference = {"value": against, "interval": [against - 0.02, against + 0.02]}
        return {
            "wer": {"value": value, "interval": [value - 0.04, value + 0.04]},
            "against_original": difference if against else none,
            "against_log_mel": difference if against else none,
        }

    read = MACHINE | {
        "clips": 41,
        "of_clips": 41,
        "speakers": 3,
        "intervals_over": "clips",
        "words": 703,
        "seconds": 267.7,
        "whisper": None,
        "rows": [
            {"speech": "original, 16-bit PCM", "kbps": 256.0, "pocketsphinx": wer(0.277, 0.0)},
            {"speech": "log-mel, not coded", "kbps": None, "pocketsphinx": wer(0.25, -0.027)},
            {"speech": "basis, quality 4", "kbps": 1.41, "pocketsphinx": wer(0.333, 0.055)},
        ],
    }
    return {"corpora": {"transcribed": read}}


def transmission():
    def sent(coding, kept, seconds, joules):
        return {
            "coding": coding, "kept": kept, "sent": 48, "measured_s": 9.5, "median_ms": 181.0,
            "straightness": 0.99, "bytes_of_sample": 1.004, "by_sample": 0.998 if kept else None,
            "packets_dropped": 0, "packets_late_ms": 0.5, "s": seconds, "joules": joules,
        }  # fmt: skip

    codings = (("raw", "16-bit WAV", 1000, 0.0), ("svd", "r/k 12.5 %", 80, 10.0))
    codings += (("basis", "quality 5", 5, 30.0),)
    return {
        "paper": {
            "files": 22_366, "raw_s": 406.58, "coded_s": 180.75, "raw_kwh": 0.0056,
            "coded_kwh": 0.0025, "times": 2.24, "energy_saved": 0.5535,
        },
        "shaping": "IP packets",
        "corpora": ["ravdess", "emodb", "tess"],
        "recordings": 4579,
        "sends": 22_366,
        "audio_s": 59_066.0,
        "cpu_watts": 2.0,
        "codings": [
            {"name": name, "setting": setting, "bytes": size, "kbps": 0.256 * size, "cpu_s": cpu_s}
            for name, setting, size, cpu_s in codings
        ],
        "links": [
            {
                "name": "LTE",
                "radio": {"joules_per_byte": 3.51e-6, "watts": 1.29, "tail_joules": 12.3},
                "source": "Somebody, 2012",
                "rows": [
                    sent(name, kept, seconds, joules)
                    for kept in (True, False)
                    for name, seconds, joules in (
                        ("raw", 400.0, 1000.0), ("svd", 200.0, 300.0), ("basis", 160.0, 200.0),
                    )
                ],
            }
        ],
    }  # fmt: skip


def robustness():
    def row(condition, ua):
        return {
            "condition": condition,
            "clips": 170,
            "speakers": 43,
            "ua": ua,
            "interval": [ua - 0.05, ua + 0.05],
            "confidence": 0.8,
            "share": {"angry": 0.1, "happy": 0.2, "neutral": 0.4, "sad": 0.3},
            "warned": {"clipped": 0.004, "far-from-training": 0.29},
        }

    return {
        "levels": ["-50 dBFS"],
        "seconds": ["0.5 s"],
        "spoilt": {"at -75 dBFS": "too-quiet"},
        "spoilt_clips": 60,
        "sound": [
            {
                "corpus": "crema_d",
                "clips": 240,
                "false_alarms": {"too-quiet": 0.004},
                "lowest_level_dbfs": -47.2,
                "found": {"at -75 dBFS": 0.975},
            }
        ],
        "truncated": {"WAV": 1.0, "WAV, whole": 0.0},
        "folds": 5,
        "synthetic_sounds": 20,
        "models": [
            {
                "model": "tiny",
                "share": 0.99,
                "left_out": [
                    row("clean", 0.7), row("babble, 10 dB", 0.47), row("-50 dBFS", 0.69),
                    row("0.5 s", 0.4),
                ],
                "unseen": [row("clean", 0.35)],
                "new_speakers": {"emodb": {"rate": 0.011, "clips": 535}},
                "synthetic": {"sine": 1.0},
                "read": {
                    "clips": 41,
                    "labels": {"angry": 0.0, "happy": 0.25, "neutral": 0.75, "sad": 0.0},
                    "confidence": 0.5,
                    "warned": {"far-from-training": 0.1},
                },
            }
        ],
    }  # fmt: skip


def protocol_table():
    def row(task, title, system, ua, *, dependent=False, compared=None):
        found = {
            "task": task,
            "system": system,
            "title": title,
            "speaker_dependent": dependent,
            "wa": interval(ua + 0.01),
            "ua": interval(ua),
            "ua_by_fold": {"a": ua - 0.1, "b": ua + 0.1},
        }
        if compared:
            found["best_against_this"] = {
                "difference": compared,
                "interval": [compared - 0.05, compared + 0.05],
                "p_value": 0.003,
            }
        return found

    tasks = {
        "EmoDB, 7 emotions": ("leave one speaker out", "recipe of `emodb7`"),
        "RAVDESS, EmoDB and TESS, 4 emotions": ("leave one corpus out", "recipe of `tiny`"),
    }
    rows = []
    for task, (title, best) in tasks.items():
        rows += [
            row(task, title, "SVM, eGeMAPSv02", 0.6, compared=0.15),
            row(task, "random split", "SVM, eGeMAPSv02", 0.7, dependent=True),
            row(task, title, best, 0.75),
            row(task, "random split", best, 0.85, dependent=True),
        ]
    return {"seeds": 3, "rows": rows}


def splits():
    def row(corpus, *, dependent, accuracy, published):
        return {
            "corpus": corpus,
            "title": "random split of clips" if dependent else "leave one speaker out",
            "speaker_dependent": dependent,
            "seeds": 20,
            "folds": 1 if dependent else 2,
            "tested_per_seed": 280,
            "published_accuracy": published,
            "wa": interval(accuracy),
            "ua": interval(accuracy),
        }

    return {
        "recipe": "table2-*",
        "rows": [
            row("tess", dependent=True, accuracy=0.9, published=0.9929),
            row("tess", dependent=False, accuracy=0.3, published=None),
        ],
    }


def models():
    def protocol(corpus, interval):
        row = {"corpus": corpus, "ua": 0.792, "ua_interval": interval, "ece": 0.038}
        row |= {"utterances": 535, "speakers": 10}
        return {"title": "leave one speaker out", "seeds": [0], "rows": [row]}

    return {
        "emodb7": {
            "bytes": 35_664,
            "parameters": 20_482,
            "protocols": [protocol("emodb", [0.74, 0.828])],
        },
        "ravdess8": {
            "bytes": 37_528,
            "parameters": 20_600,
            "protocols": [protocol("ravdess", [0.614, 0.704])],
        },
        "tiny": {
            "bytes": 15_648,
            "parameters": 14_116,
            "protocols": [protocol("tess", None) | {"mean_ua": 0.608}],
        },
    }


def head_training():
    def system(median_ms, ratio):
        return {
            "median_ms": median_ms, "sd_ms": 0.5, "training_accuracy": 0.7, "ratio": ratio,
        }  # fmt: skip

    def times(us):
        return {"median_us": us, "p90_us": 1.5 * us}

    return {
        "threads": 1,
        "draws": 30,
        "epochs": 100,
        "batch": 64,
        "learning_rate": 0.01,
        "classes": 7,
        "rows": [
            {
                "features": features,
                "samples": 200,
                "systems": {
                    "serkit Linear": system(10.0, 1.0),
                    "scikit-learn MLPClassifier": system(80.0, 0.125),
                    "scikit-learn SGDClassifier": system(20.0, ratio),
                },
            }
            for features, ratio in ((32, 0.5), (512, 0.25))
        ],
        "oselm": {
            "features": 128,
            "learned": 1300,
            "updates": 300,
            "rows": [
                {
                    "hidden": 50, "learn": times(20.4), "forget": times(80.0),
                    "predict_after_update": times(1234.5), "predict": times(14.0),
                }
            ],
        },
        "paper": {
            "features": [32, 512],
            "samples": [200],
            "ms": {"Jetson Nano, 5W": [[44.4], [78.4]], "Kirin 655": [[378.27], [1103.1]]},
        },
    }  # fmt: skip


def window_lengths():
    return {
        "windows_s": [4.0, 8.0],
        "rows": [
            {
                "model": "emodb7", "protocol": "loso", "recordings": 140, "median_s": 20.9,
                "chosen_s": 4.0,
                "ua": {"validation": {"4": 0.8, "8": 0.7}, "test": {"4": 0.76, "8": 0.73}},
            }
        ],
    }  # fmt: skip


def affect():
    def pair(name, value, form=0.03):
        return {name: value, f"{name}_interval": [value - form, value + form]}

    return {
        "rows": [
            {
                "model": "tiny", "width": 32, "protocol": "speaker-folds", "title": "five folds",
                "seed": 0, "corpora": ["crema_d"], "utterances": 6665, "speakers": 91,
                "penalties": [0.001, 0.0001], "unplaced": 0,
                "rows": [
                    {
                        "dimension": name, **pair("learned_ccc", 0.625),
                        **pair("learned_pearson", 0.675), **pair("circumplex_ccc", 0.445),
                        **pair("circumplex_pearson", 0.615), **pair("difference_ccc", 0.185),
                    }
                    for name in ("arousal", "valence")
                ],
                "elsewhere": [
                    {
                        "corpus": "emodb", "label": "sad", "utterances": 62, "arousal": 0.15,
                        "valence": -0.08,
                    }
                ],
            }
        ],
    }  # fmt: skip


def personalisation():
    def row(condition, ua, gain):
        return {
            "condition": condition, "speakers": 24, "clips": 4.5, "seconds": 9.1, "ua": ua,
            "interval": [ua - 0.04, ua + 0.04], "ua_without": ua - gain, "gain": gain,
            "gain_interval": [gain - 0.01, gain + 0.01],
        }  # fmt: skip

    def corpus(name, n_folds):
        return {
            "corpus": name, "recipe": f"personal/{name}", "protocol": "leave one speaker out",
            "folds": [2, n_folds], "seeds": 10, "speakers": 24, "n_labels": 8, "ua_alone": 0.68,
            "near_by_phone": 0.1,
            "rows": [
                row("seconds 10", 0.712, 0.031), row("seconds all", 0.74, 0.06),
                row("skewed angry", 0.667, -0.013), row("skewed sad", 0.69, 0.01),
                row("telephone", 0.6, -0.08), row("telephone, checked", 0.681, 0.001),
                row("labels 5", 0.70, 0.02), row("labels 5, enrolled", 0.72, 0.04),
            ],
        }  # fmt: skip

    return {
        "beside_s": 20.0, "skewed_s": 10.0,
        "corpora": [corpus("ravdess", 6), corpus("emodb", 2)],
    }  # fmt: skip


def of_each(*values):
    return dict(zip(HEADS, values, strict=True))


def text_score(f1, **more):
    return {"f1": f1, "interval": [f1 - 0.02, f1 + 0.02], "runs": [f1, f1, f1], **more}


def of_heads(first):
    closed = {"n_hidden": 1000, "scale": 0.3, "penalty": 10.0, "epochs": None}
    settings = {
        "Hidden": {"n_hidden": 200, "penalty": 0.01, "epochs": 12},
        "Linear": {"penalty": 0.03, "epochs": 40},
        "ELM": closed,
        "OSELM": closed,
    }
    return {
        name: text_score(first - 0.01 * i, settings=settings[name], dev=0.5)
        for i, name in enumerate(settings)
    }


def text_heads():
    speaker = {
        "speaker": "Joey", "test": 411, "everyone": text_score(0.6),
        "all": text_score(0.55, n=1500), "500": text_score(0.5, n=500),
        "200": text_score(0.45, n=200),
    }  # fmt: skip
    return {
        "corpus": "meld", "seeds": 3,
        "paper": {
            "table_4": {"RoBERTa-base": of_each(0.587, 0.586, 0.565, 0.569)},
            "table_6": {"BERT-Tiny 50 %": of_each(0.514, 0.496, 0.509, 0.472)},
            "table_7": {"Joey": [0.522, 0.525, 0.498]},
        },
        "encoders": [
            {
                "encoder": "small", "bytes": 23_600_000, "precision": "int8", "layers": [0, 2],
                "n_layers": 6, "width": 768, "table_4": of_heads(0.60),
                "table_6": [{"share": 0.5, "width": 384, "heads": of_heads(0.59)}],
                "table_7": [speaker],
            }
        ],
    }  # fmt: skip


def text_tuning():
    run = {"utterances": 2438, "of": 9489, "final": 0.4, "stopped_at": 0.33, "epochs": 0.75}
    plan = {
        "learning_rate": 1e-4, "batch_size": 32, "max_epochs": 4, "mixed_precision": True,
        "stop_at": 0.8,
    }  # fmt: skip
    return {
        "corpus": "meld", "seeds": 3,
        "paper": {
            "bp": {"RoBERTa-base": 0.615},
            "table_5": {"RoBERTa-base": of_each(0.598, 0.598, 0.586, 0.591)},
        },
        "encoders": [
            {
                "encoder": "small", "bp": text_score(0.618, plan=plan),
                "table_5": {
                    "plan": plan, "runs": [run] * 3,
                    "heads": {name: text_score(0.61) for name in HEADS},
                },
            }
        ],
    }  # fmt: skip


def speech_latency():
    def row(system, mb, seconds, ratio, *, rounded=True):
        values = {
            "system": system, "bytes": mb * 1e6, "seconds": seconds, "load_s": 0.4, "peak_mb": 300,
            "faster_than_torch": ratio, "faster_than_fp32": ratio / 2,
        }  # fmt: skip
        rounding = {"mean_difference": 0.003, "largest_difference": 0.02, "same_label": 0.975}
        return values | rounding if rounded else values

    return {
        "instructions": ["avx2", "avx512_vnni"], "threads": 1, "window_s": 8.0, "rounds": 3,
        "windows": 7, "clips": 120, "margin": 0.01, "paper_mb": 23.0,
        "bits": {"a": 4, "b": 6},
        "rows": [
            row("torch", 94.8, 0.56, 1.0), row("fp32", 94.7, 0.28, 2.0),
            row("static int8", 23.9, 0.2, 2.8), row("int8", 23.9, 0.125, 4.48),
            row("int8, bits searched", 14.9, 0.125, 4.48),
            row("log-mel, int8", 18.0, 0.05, 11.2, rounded=False),
        ],
    }  # fmt: skip


def no_dot_products():
    def row(instructions, fp32_s, int8_s):
        return {
            "instructions": instructions, "fp32_s": fp32_s, "int8_s": int8_s,
            "faster_than_fp32": fp32_s / int8_s, "mean_difference": 0.004,
            "largest_difference": 0.03, "same_label": 0.967,
        }  # fmt: skip

    return {
        "instructions": ["avx2", "avx512_vnni"], "threads": 1, "window_s": 8.0, "rounds": 3,
        "windows": 7, "clips": 120,
        "rows": [
            row("all of the processor", 0.5, 0.125), row("without VNNI and AMX", 0.5, 0.4),
            row("AVX2", 0.75, 0.5),
        ],
    }  # fmt: skip


def text_latency():
    def timed(ms, ratio):
        return {"mean_ms": ms, "sd_ms": 0.5, "median_ms": ms, "ratio": ratio}

    error = {
        "mean": 1e-4, "p99": 2e-3, "max": 0.1, "mean_square_of_feature": 0.2,
        "bounds": [0.0, 1e-5, 1e-3, 1e-1], "counts": [1, 2, 5, 0],
    }  # fmt: skip
    return {
        "threads": 1, "sentences": 80, "rounds": 3, "max_tokens": 32,
        "paper_ms": {"Snapdragon 765G": {"BERT-Medium": [88, 85, None]}},
        "rows": [
            {
                "encoder": "BERT-Tiny", "parameters": 4_400_000, "random_weights": True,
                "layers": [-1], "bytes": {"torch": 17.6e6, "fp32": 18e6, "fp16": 9e6, "int8": 5e6},
                "difference": {"fp32": 1e-6, "fp16": 1e-4, "int8": 0.01},
                "systems": {
                    "torch": timed(2.0, 1.0), "fp32": timed(1.0, 2.0), "fp16": timed(1.0, 2.0),
                    "int8": timed(0.5, 4.0),
                },
            }
        ],
        "rounding": {
            "encoder": "small", "penalty": 0.03, "epochs": 40,
            "rows": [
                text_score(0.6, precision="fp32"),
                text_score(0.597, precision="int8", error=error),
            ],
        },
    }  # fmt: skip


def text_litert():
    systems = ("serkit fp32", "LiteRT fp32", "serkit int8", "LiteRT int8")
    return {
        "rows": [
            {
                "encoder": "BERT-Tiny", "bytes": dict.fromkeys(systems, 5e6),
                "relative_error": dict.fromkeys(systems, 1e-5),
                "systems": {s: {"mean_ms": 1.0 + i, "sd_ms": 0.1} for i, s in enumerate(systems)},
            }
        ]
    }  # fmt: skip


def log_mel_model():
    return {
        "corpus": "crema_d",
        "clips": 4892,
        "speakers": 91,
        "bytes": {"tiny": 15_648, "tiny-mel": 17_000},
        "rows": [
            {"name": "tiny, sound", "ua": 0.4, "interval": [0.38, 0.42], "kbps": None},
            {"name": "tiny-mel, quality 4", "ua": 0.39, "interval": [0.37, 0.41], "kbps": 1.75},
        ],
    }


def voice_activity():
    def rates(miss, alarm):
        return {"miss": miss, "false_alarm": alarm, "error": miss + alarm}

    def row(system, miss, alarm, rtf):
        error = miss + alarm
        return rates(miss, alarm) | {
            "system": system, "interval": [error - 0.02, error + 0.02], "boundary_ms": 31.4,
            "boundaries_found": 0.9, "real_time_factor": rtf,
            "by_snr": {"-5": rates(miss + 0.1, alarm), "20": rates(miss - 0.01, alarm)},
            "by_noise": {"white": rates(miss, alarm), "rain": rates(miss, alarm + 0.02)},
            "beginning": {"-5": rates(miss + 0.2, alarm), "20": rates(miss + 0.01, alarm)},
        }  # fmt: skip

    return {
        "options": {
            "threshold": 0.5, "min_speech_ms": 100.0, "min_silence_ms": 200.0, "pad_ms": 0.0,
        },
        "snr_db": [-5, 20], "noises": ["white", "rain"], "scenes": 24, "speakers": 20, "seed": 14,
        "minutes": 24.0, "near_ms": 500.0, "beginning_s": 2.0, "timed_s": 60.0, "rounds": 9,
        "against": {
            "system": "WebRTC, mode 3", "difference": -0.12, "interval": [-0.15, -0.09],
        },
        "rows": [
            row("serkit bands", 0.05, 0.06, 0.00021), row("WebRTC, mode 3", 0.1, 0.13, 0.0014),
        ],
    }  # fmt: skip


def long_notes():
    """Detection takes 8 points off what is called neutral in noise; nothing else differs."""
    rate = ("ua", "neutral_recall", "neutral_precision", "eder", "pause_labelled", "overall")
    labels = ["angry", "happy", "neutral", "sad"]
    even = dict.fromkeys(labels, 0.25)

    def figures(bias):
        return {name: interval(0.5) for name in (*rate, "missed", "false_alarm", "confused")} | {
            "neutral_bias": interval(bias), "boundary_s": 1.25, "changes_found": 0.6,
            "changes_true": 0.5, "changes_per_true": 1.5, "truth": even,
            "called": {
                "speech": even | {"neutral": 0.4, "sad": 0.1}, "pauses": even | {"sad": 0.5},
            },
        }  # fmt: skip

    def setting(detector, window_s, **values):
        return {
            "detector": detector, "window_s": window_s, "hop": 1.0, "pause_s": 1.0,
            "smoothing": "off", "dwell_s": 10.0, "aggregation": "duration", **values,
        }  # fmt: skip

    bias = {None: 0.3, "bands": 0.22, "silero": 0.22}

    def change():
        less = {"mean": -0.08, "interval": [-0.1, -0.06]}
        return {name: interval(0.0) for name in rate} | {"neutral_bias": less}

    varied = setting("bands", 4.0, hop=0.5, smoothing="hmm", pause_s=0.5)
    notes = [
        {
            "speaker": "emodb/13", "dominant": "sad", "noise": "fan", "seconds": seconds,
            "speech_s": 72.0,
        }
        for seconds in (120.0, 240.0)
    ]  # fmt: skip
    return {
        "recipe": "models/tiny", "seed": 14,
        "speakers": {"B": {"emodb": ["12"]}, "C": {"emodb": ["13"], "crema_d": ["1061"]}},
        "labels": labels, "notes": {"B": notes[:1], "C": notes},
        "snr_db": {"B": [40], "C": [40, 0]}, "clean_db": 40, "noises": ["fan"], "near_s": 2.0,
        "start": setting("bands", 4.0), "chosen": varied,
        "shipped": {"hop_s": 2.0, "pause_s": 0.5, "smoothing": "hmm", "aggregation": "duration"},
        "chosen_on": [
            setting("bands", 4.0) | {"eder": 0.62, "ua": 0.5, "overall": 0.5},
            varied | {"eder": 0.6, "ua": 0.5, "overall": 0.5},
        ],
        "grid": [
            setting(detector, window_s) | {"snr": snr} | figures(bias[detector])
            for window_s in (4.0, 8.0) for detector in bias for snr in (40, 0, None)
        ],
        "differences": [
            {"detector": detector, "window_s": window_s, "snr": snr} | change()
            for window_s in (4.0, 8.0) for detector in ("bands", "silero") for snr in (40, 0, None)
        ],
        "factors": [
            row | figures(0.2) for row in (setting("bands", 4.0, pause_s=0.5), varied)
        ],
        "pauses_s": [0.5, 1.0],
        "factors_db": [40], "aggregations": ["mean", "duration"],
        "overall": [
            setting(detector, 4.0, aggregation=name)
            | {"overall": interval(0.75), "neutral_answers": 0.125}
            for detector in bias for name in ("mean", "duration")
        ],
        "start_figures": figures(0.22), "chosen_figures": figures(0.2),
        "chosen_minus_start": change(),
    }  # fmt: skip


def zed():
    def row(detector, missed):
        return {
            "detector": detector, "eder": missed + 0.3, "interval": None, "missed": missed,
            "false_alarm": 0.1, "confused": 0.2,
        }  # fmt: skip

    return {
        "model": "tiny", "recordings": 180, "speakers": 4,
        "rows": [row(None, 0.25), row("bands", 0.2)],
    }  # fmt: skip


def speech_run(ua, corpus="ravdess", sd=0.03):
    labels = ["angry", "happy", "neutral", "sad"]
    keys = ["wa", "ua", "macro_f1", *labels]
    figure = {"value": ua, "sd_over_seeds": None, "interval": [ua - 0.05, ua + 0.05]}
    view = {"groups": ["high", "low"], "recalls": [0.9, 0.6], "errors_inside": 0.7}
    return {
        "protocol": corpus, "labels": labels, "utterances": 672, "speakers": 24,
        "figures": {"ua": figure, "wa": figure},
        "folds": {key: {"values": [ua, ua], "mean": ua, "sd": sd} for key in keys},
        "confusion": [[90, 5, 3, 2], [40, 50, 5, 5], [5, 5, 30, 60], [2, 2, 32, 64]],
        "recalls": dict(zip(labels, (0.9, 0.5, 0.3, 0.64), strict=True)),
        "affect": {"arousal": view, "valence": view | {"errors_inside": None}},
    }  # fmt: skip


def anchor_difference(difference):
    return {
        "difference": difference, "interval": {"low": difference - 0.02, "high": 0.05},
        "p_value": 0.0123, "speakers": 24, "verdict": "better",
    }  # fmt: skip


def cross_corpus():
    return {
        "recipe": {"optimiser": {"max_epochs": 10}}, "epochs_alone": 40, "seeds": 1,
        "paper": {"ravdess": {"ua": 0.4618, "wa": 0.4329}}, "seeds_crossed": 3,
        "crossed": [
            speech_run(0.48, "cross") | {"tested": corpus} for corpus in ("ravdess", "emodb")
        ],
        "rows": [
            {
                "corpus": "ravdess", "alone": speech_run(0.55),
                "anchored": speech_run(0.6, sd=0.02), "difference": anchor_difference(0.03),
            }
        ],
    }  # fmt: skip


def student_bits():
    values = {"ua": 0.6, "ua_interval": [0.55, 0.65], "difference": 0.0}
    return {
        "corpus": "crema_d", "protocol": "speaker-folds", "parameters": 217_000, "utterances": 960,
        "speakers": 18, "reference": "int8",
        "rows": [
            {"name": "int8", "bytes": 300_000} | values,
            {"name": "int8, weights of 4 bits", "bytes": 200_000} | values
            | {"difference": -0.012, "difference_interval": [-0.02, 0.004]},
        ],
    }  # fmt: skip


def distilhubert():
    published = {"wa": 0.595, "ua": 0.616, "macro_f1": 0.596}
    labels = ("angry", "happy", "neutral", "sad")
    return {
        "paper": {
            "iemocap": published, "with_crema_d": published,
            "production": {"wa": 0.7548, "ua": 0.764}, "ravdess": {"wa": 0.4329, "ua": 0.4618},
        },
        "iemocap": speech_run(0.6), "with_crema_d": speech_run(0.61, sd=0.02),
        "difference": anchor_difference(0.01), "production": speech_run(0.75),
        "ravdess": speech_run(0.46),
        "table_2": {
            "counts": {"iemocap": dict.fromkeys(labels, 1103)},
            "weights": dict.fromkeys(labels, 1.065),
        },
    }  # fmt: skip


def fusion():
    def figure(value):
        return {"value": value, "interval": [value - 0.05, value + 0.05]}

    kinds = ("acoustic", "amser", "umons", "xu", "yoon-dual", "yoon-multihop")
    codings = ("svd 12.5 %", "svd 100 %", "basis 4")
    rows = [
        {
            "kind": kind, "coding": coding, "text": text,
            "ua": figure(0.51), "accuracy": figure(0.52), "weighted_f1": figure(0.53),
            "to_full": figure(-0.01), "to_acoustic": figure(0.02),
        }
        for kind in kinds
        for text in ((False,) if kind == "acoustic" else (True, False))
        for coding in codings
    ]  # fmt: skip
    paper = {"amser": (0.698, 0.697), "umons": (0.67, 0.66), "xu": (0.63, 0.62), "yoon": (0.5, 0.4)}
    return {
        "paper": dict.fromkeys(codings[:2], paper),
        "encoder": "all-MiniLM-L6-v2",
        "text_width": 384,
        "optimiser": {"learning_rate": 0.002},
        "parameters": [{"kind": kind, "full": 1_234_567, "reduced": 89_000} for kind in kinds],
        "tables": [
            {
                "corpus": "crema_d", "protocol": "five folds over speakers", "folds": [2, 5],
                "tested": 980, "test_speakers": 12, "seeds": 1, "every": 3, "utterances": 2450,
                "speakers": 31, "texts": 12, "labels": 6, "epochs": 20, "steps_100": 0.171,
                "codings": [{"name": name, "kbps": 1.5} for name in codings], "rows": rows,
            }
        ],
    }  # fmt: skip


def wire_cost():
    codings = ("wav", "opus", "opus in a form", "svd", "basis", "basis, stream")
    up = dict(zip(codings, (100_000.0, 10_000.0, 10_400.0, 8_000.0, 1_000.0, 2_000.0), strict=True))
    rows = [
        {
            "coding": coding, "up_bytes": up[coding], "down_bytes": 1_200.0,
            "message_bytes": up[coding] - 400.0, "median_s": 0.2, "p95_s": 0.25, "cpu_s": 0.004,
            "joules": 0.3, "as_expected": 30, "packets_dropped": 0, "packets_late_ms": 0.4,
        }
        for coding in codings
    ]  # fmt: skip
    return {
        "corpus": "crema_d", "model": "tiny-mel", "compared": 200, "sent": 30, "mean_s": 2.5,
        "at_once": 8, "cpu_watts": 2.0,
        "answers": [
            {"coding": coding, "kbps": 1.5, "agreed": 180, "mean_change": 0.043}
            for coding in codings
        ],
        "links": [
            {"name": name, "link": {"up": 375e3, "down": 12.7e6, "delay": 0.05}, "rows": rows}
            for name in ("LTE", "LTE-M")
        ],
    }  # fmt: skip


def offload_curve():
    modes = ("wav", "opus", "svd", "basis")

    def figure(value, width=0.05):
        return {"value": value, "interval": [value - width, value + width]}

    def row(share):
        mode = {
            "ua": figure(0.65 + 0.06 * share), "to_server": figure(0.06 * share - 0.06),
            "to_device": figure(0.06 * share, 0.01), "to_random": figure(0.02, 0.01),
            "share": figure(share), "bytes": 500.0 * share,
            "links": [{"mean_s": 0.01 + share, "p95_s": 0.02 + share, "joules": 0.1 * share}] * 3,
        }  # fmt: skip
        by_mode = dict.fromkeys(modes, mode)
        return {"share": share, "random": 0.65 + 0.05 * share, "best": 0.75, "modes": by_mode}

    def table(corpus):
        own = {"ua": 0.65, "interval": [0.6, 0.7]}
        return {
            "corpus": corpus, "clips": 2990, "speakers": 55, "mean_s": 2.5, "device": own,
            "servers": dict.fromkeys(modes, own | {"ua": 0.71}),
            "rows": [{"target": share} | row(share) for share in (0.0, 0.5, 1.0)],
            "chosen": row(0.4),
        }  # fmt: skip

    few = table("emodb")
    few["device"] = {"ua": 0.8, "interval": None}
    last = few["rows"][-1]
    lost = {"to_device": {"value": -0.02, "interval": [-0.06, 0.03]}}
    last["modes"] = dict.fromkeys(modes, last["modes"]["basis"] | lost)
    return {
        "protocol": "five folds over speakers", "folds": [3, 5], "seeds": 1, "mode": "basis",
        "within": 0.01, "device_bytes": 30_200, "server_bytes": 440_000, "timed": 40,
        "times": {
            "device_s": 0.009,
            "modes": {mode: {"coding_s": 0.011, "server_s": 0.007} for mode in modes},
        },
        "cpu_watts": 2.0,
        "links": [{"name": name, "message_s": [0.1]} for name in ("Wi-Fi", "LTE", "LTE-M")],
        "thresholds": [{"fold": "speakers-1", "share": 0.4, "threshold": 0.61}],
        "tables": [table("crema_d"), few],
    }  # fmt: skip


def server_load():
    """A result of benchmarks/server_load.py."""

    def streams(n, p99_ms, errors=0):
        return {
            "n": n, "complete": n - errors, "wrong": 0, "errors": errors,
            "cpu_s_per_stream_s": 0.004, "generator_cpu_share": 0.1, "memory_mb": 200.0,
            "answers": 5 * n, "p50_ms": p99_ms / 3, "p99_ms": p99_ms, "window_answers": 20 * n,
            "window_p50_ms": 8.0, "window_p99_ms": p99_ms,
        }  # fmt: skip

    def posts(per_s, **codes):
        return {
            "per_s": per_s, "codes": codes or {"200": 1000}, "unclean": 0,
            "different_answers": 1, "cpu_s_per_request": 0.005, "p50_ms": 50.0, "p99_ms": 90.0,
        }  # fmt: skip

    return {
        "packet_s": 0.32, "hop_s": 2.0, "stream_s": 49.0, "recording_s": 3.0, "clients": 16,
        "streams": [streams(200, 50.0), streams(300, 250.0), streams(400, 700.0, errors=2)],
        "posts": [
            {"recording": name, "bytes": size, "batched": posts(240.0), "single": posts(200.0),
             "ratio": 1.2}
            for name, size in (("wav", 96_044), ("basis", 511))
        ],
        "overload": {
            "limit": 16, "before": posts(200.0),
            "during": posts(150.0, **{"200": 500, "429": 3000}), "after": posts(201.0),
        },
    }  # fmt: skip


@pytest.fixture
def results():
    """All results, each with at least one row of each kind."""
    found = {
        "budgets": {
            "most_s": 20.0,
            "most_mb": 512.0,
            "most_hour_mb": 100.0,
            "rows": [
                {
                    "command": "predict a.flac", "ended": False, "exit": None, "seconds": 20.1,
                    "silent_s": 0.5, "peak_mb": 51.6,
                },
                {
                    "command": "decode b.smel", "ended": True, "exit": 2, "seconds": 0.4,
                    "silent_s": 0.3, "peak_mb": 493.2,
                },
            ],
            "hour": [{"command": "encode hour.flac", "seconds": 101.1, "peak_mb": 62.5}],
        },
        "byte_search": {
            "margin": 0.05,
            "tables": [
                compressed_table(
                    "emodb", "shuffle", "256-512-64",
                    [
                        compressed("32 bits", 848_756.0, 0.8),
                        compressed("by bytes, ours", 30_000.0, 0.79),
                        compressed("by bytes, + fine-tuning", 31_000.0, 0.81),
                    ],
                )
            ],
        },
        "c_export": {
            "compiler": "cc 12",
            "rows": [
                {
                    "model": "tiny", "variant": "as shipped", "utterances": 339,
                    "largest_difference": 2.98e-7, "same_label": 1.0, "flash_bytes": 11_698,
                    "ram_bytes": 1904,
                }
            ],
        },
        "codec_ablation": {
            "learned": "ravdess",
            "tested": "emodb",
            "recordings": 339,
            "rows": [
                {"step": "learned vectors", "at": {"0.105": 4.0, "0.088": None}},
                {"step": "+ cosine transform", "at": {"0.105": 3.0, "0.088": 5.0}},
            ],
        },
        "codec_stream": {
            "corpus": "ravdess", "chunk_ms": 20, "early_minutes": 5, "quality": 5,
            "seconds": 3600.0, "packets": 11_250, "kbps": 0.96, "delay_s": 0.34,
            "rtf": {"encode": 0.0054, "decode": 0.0016}, "peak_mb_early": 50.7, "peak_mb": 52.1,
            "rtf_file": {"encode": 0.0021, "decode": 0.0013}, "file_rounds": 7,
        },
        "codec_ua": emotions(),
        "codec_wer": words(),
        "fusion": MACHINE | fusion(),
        "cold_start": {
            "runs": 21,
            "ratio": 2.31,
            "rows": [
                {"what": "import numpy", "median_s": 0.048, "peak_mb": 34.3},
                {"what": "serkit predict one.wav", "median_s": 0.112, "peak_mb": 45.2},
            ],
        },
        "log_mel_model": log_mel_model(),
        "window_length": window_lengths(),
        "affect": MACHINE | affect(),
        "voice_activity": voice_activity(),
        "long_notes": long_notes(),
        "zed": zed(),
        "personalisation": personalisation(),
        "cross_corpus": cross_corpus(),
        "distilhubert": distilhubert(),
        "student_bits": student_bits(),
        "families": {
            "tables": [
                compressed_table(
                    "emodb", "shuffle", "cnn",
                    [
                        compressed("32 bits", 138_043.0, 0.75),
                        compressed("8 bits, ours", 36_682.0, 0.76),
                        compressed("1 bits, ours", 7_162.0, 0.72),
                    ],
                )
            ]
        },
        "functionals_selection": {
            "rows": [
                {
                    "model": "emodb7", "protocol": "leave one speaker out", "ua_nested": 0.765,
                    "ua_as_shipped": 0.755, "ua_of_each": {"a": 0.705, "b": 0.768},
                }
            ]
        },
        "head_training": head_training(),
        "text_heads": text_heads(),
        "text_tuning": text_tuning(),
        "speech_latency": speech_latency(),
        "no_dot_products": no_dot_products(),
        "text_latency": text_latency(),
        "text_litert": text_litert(),
        "install_size": {
            "direct_dependencies": 6, "megabytes": 93.6, "serkit_megabytes": 1.2, "heavy": [],
            "installed": {"numpy": "2.4.6"},
        },
        "interrupt": {
            "rows": [
                {
                    "command": "encode", "after_s": after_s, "seconds": seconds, "exit": 130,
                    "lines": lines, "unfinished_files": 0, "processes": 0,
                }
                for after_s, seconds, lines in ((0.5, 0.07, 1), (8.0, 0.78, 2))
            ]
        },
        "packed_speed": {
            "seconds": 8,
            "rounds": 301,
            "rows": [
                {"network": "tiny", "bits": 32, "median_ms": 1.7, "ratio": 1.0},
                {"network": "tiny", "bits": 4, "median_ms": 1.734, "ratio": 1.02},
            ],
        },
        "predict_speed": {
            "threads": 1,
            "audio": "8 s",
            "rounds": 9,
            "rows": [
                {"what": what, "median_ms": ms, "real_time_factor": ms / 8000, "ratio": ms / 2}
                for what, ms in (
                    ("serkit tiny, features and network", 2.0),
                    ("librosa, the same features", 11.0),
                    ("opensmile eGeMAPSv02", 84.0),
                )
            ],
        },
        "profile_kills": {
            "rounds": 1000, "kills": 2000, "within_an_update": 1900, "accepted": 1500,
            "applied_unreported": 300, "unfinished_files": 500, "damaged": 0, "lost": 0,
            "left_behind": 0, "next_update_ms": 12.0, "file_bytes": 40000,
        },
        "protocol_table": protocol_table(),
        "quantisation": quantisation(),
        "quantised_calibration": {
            "seeds": 2,
            "protocol": "five folds over speakers",
            "rows": [
                {"recipe": "models/tiny", "way": way, "ua": 0.65, "ece": 0.09, "loss": 0.856}
                for way in ("full", "4 labels of what was learned from")
            ],
        },
        "rate_distortion": {
            "tables": [
                rates("ravdess", "emodb"),
                rates("ravdess, nemo, tess (the shipped basis)", "emodb"),
            ]
        },
        "shuffle_worth": splits(),
        "timeline_speed": {
            "threads": 1,
            "seconds": 3600,
            "rounds": 3,
            "rows": [
                {
                    "what": what,
                    "median_s": 1.1 * cpu_s,
                    "cpu_s": cpu_s,
                    "real_time_factor": cpu_s / 3600,
                    "peak_mb": 53.4,
                    "ratio": cpu_s / 3.0,
                }
                for what, cpu_s in (("timeline, voice by `bands`", 3.0), ("librosa", 18.0))
            ],
            "chunk_ms": 20.0,
            "live_s": 600, "live_window_s": 1.0,
            "pause_s": 1.0,
            "bar_ms": 300.0,
            "latency": [
                {
                    "what": "a full window", "n": 9, "median_ms": 127.8, "most_ms": 593.8,
                    "in_time": 8 / 9,
                }
            ],
        },
        "tiny_quantised": quantised_model(),
        "tiny_selection": {
            "seeds": 3, "candidates": ["a", "b"], "mean_ua": 0.6, "mean_ua_as_shipped": 0.615,
            "rows": [{"corpus": "nemo", "chosen": "a", "ua": 0.362, "ua_as_shipped": 0.359}],
        },
        "transmission": transmission(),
        "trust": robustness(),
        "server_load": server_load(),
        "server_soak": {
            "minutes": 20.0,
            "cpu_share": 0.5,
            "seen": {
                "streams": {"streams": 800, "complete": 799, "wrong": 0, "errors": 1},
                "posts": {"200": 40_000, "429": 3},
                "damaged": {"422": 10_000},
            },
            "first_mb": 250.0, "last_mb": 251.5, "least_mb": 249.0, "most_mb": 252.0,
            "mb_per_hour": -0.5,
        },
        "server_faults": {
            "rows": [
                {
                    "fault": "idle connections",
                    "seen": {"connections": 10_000, "told_503": 8976},
                    "others": {"codes": {"503": 1, "200": 57}, "different_answers": 1,
                               "slowest_s": 0.33},
                    "afterwards": 200,
                },
                {"fault": "dying recogniser", "seen": {"kills": 3, "slowest_return_s": 2.63},
                 "others": {"codes": {"200": 99}, "different_answers": 1, "slowest_s": 1.24},
                 "afterwards": 200},
                {"fault": "killed servers",
                 "seen": {"kills": 6, "clients": 8, "attempts": 318,
                          "outcomes": {"all events once": 48}}},
            ]
        },
        "wire_cost": wire_cost(),
        "offload_curve": offload_curve(),
    }  # fmt: skip
    return {name: MACHINE | result for name, result in found.items()} | {"models": models()}
