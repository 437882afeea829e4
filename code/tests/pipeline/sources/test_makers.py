"""What kind of maker a name stands for, and what words about work by hand say."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.makers import TABLE, kind_of_author, kind_of_step, read_makers

KINDS = {
    "person": """
        Manual | manual | MANUAL | Manual segmentation | Manual (JC) | manual_JC
        Manual, rater no. 2 | ITK-SNAP | itksnap | ITK SNAP 3.8 | itk_snap | FSLeyes | fsleyes 1.3
        FSLView | 3D Slicer | 3DSlicer | Slicer 5.2 | MITK | MRIcron | MRIcroGL | Freeview | JIM
        Jim 7.0 | Mango | OsiriX MD | Horos | Amira | Seg3D | manual correction
        Manually corrected | Manually drawn | "Manual" | Segmented manually
        manual-correction.py""",
    "model": """
        sct_deepseg | sct_deepseg -task seg_sc_contrast_agnostic | sct_deepseg spinalcord
        sct_deepseg_sc | SCT_DEEPSEG_SC -i t2.nii.gz -o t2_seg-manual.nii.gz | sct_deepseg_gm
        sct_propseg | nnU-Net | nnUNet | nnunetv2 | nnUNetv2_predict -i a -o b | nnUNet_predict
        TotalSegmentator | TotalSegmentator v2 | SAM | SAM2 | MedSAM | contrast-agnostic | softseg
        EPISeg | automatic | Automatic segmentation | ivadomed | MONAI | monai 1.3 | SpineNet
        U-Net | deep learning | sct_deepseg_sc without manual correction
        sct_deepseg_sc, not manually corrected | sct_propseg (no manual editing)
        automatic, without any manual correction""",
    "tool": """
        sct_crop_image | sct_crop_image -i a.nii.gz | sct_resample | sct_image | sct_maths -bin 0.5
        sct_register_multimodal | sct_register_to_template | sct_apply_transfo | fslmaths -bin
        fslmaths sub-1_T2w_seg-manual.nii.gz -bin out | fslroi | fslswapdim | fslreorient2std
        c3d | c3d -flip x | dcm2niix v1.0 | antsApplyTransforms | mri_convert | mrconvert
        nibabel | nilearn | SimpleITK | Manual QC | manual quality control""",
    "corrected": """
        Semi-automatic, manually corrected | semiautomatic (manually corrected)
        sct_deepseg_sc, manually corrected | nnU-Net + manual correction
        Automatic, edited by hand | sct_deepseg_sc corrected in ITK-SNAP
        Manual correction of sct_deepseg_sc | Manually corrected nnU-Net""",
    "unknown": """
        my_tool | sct_deepseg_scx | sct_something | fslmathsx | manuals | Itk | x manual
        seg-manual | no manual correction | not manual | without manual correction | non-manual
        manual? | Manual correction needed | needs manual correction | sct_deepseg_sc (manual?)
        sct_deepseg_sc, needs manual correction | sct_deepseg_sc, to be manually corrected
        sct_deepseg_sc, manually corrected if necessary
        sct_propseg with manual initialization | sct_propseg, no manual correction, edited manually
        Manual initialization of sct_propseg | Manual, sct_deepseg_sc | fslmaths on sct_deepseg_sc
        c3d, then ITK-SNAP | Semi-automatic | Samuel | Sam Smith | SCT | FSL 6.0 | - | ?
        Spinal Cord Toolbox | script | Python | manual.nii.gz | Manual thresholding""",
}


def names(kind: str) -> list[str]:
    return [name.strip() for name in KINDS[kind].replace("\n", "|").split("|") if name.strip()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_is_of_the_kind_of_the_longest_entry_that_it_begins_with(kind):
    found = {name: kind_of_step(name) for name in names(kind)}
    assert found == dict.fromkeys(names(kind), kind)


@pytest.mark.parametrize(
    ("name", "description", "kind"),
    [
        ("sct_deepseg_sc", "", "model"),
        ("sct_deepseg_sc", "spinal cord of motion-corrected images", "model"),
        ("sct_deepseg_sc", "manually corrected by JC", "corrected"),
        ("sct_deepseg_sc", "corrected manually", "corrected"),
        ("sct_deepseg_sc", "then edited by hand", "corrected"),
        ("sct_deepseg_sc", "errors fixed with FSLeyes", "corrected"),
        ("sct_deepseg_sc", "without manual correction", "model"),
        ("sct_deepseg_sc", "No manual editing.", "model"),
        ("sct_deepseg_sc", "has not been manually corrected", "model"),
        ("sct_deepseg_sc", "needs manual correction", "unknown"),
        ("sct_deepseg_sc", "manually corrected?", "unknown"),
        ("sct_deepseg_sc", "some slices were manually corrected", "unknown"),
        ("sct_deepseg_sc", "shown in ITK-SNAP", "unknown"),
        ("sct_deepseg_sc", "corrected by JC", "unknown"),
        ("Manual", "Synthetic; stands in for a corrected mask", "person"),
        ("Manual", "the mask of sct_deepseg_sc, manually corrected", "corrected"),
        ("Manual", "seeds of sct_propseg", "unknown"),
        ("Manual", "not manually corrected", "unknown"),
        ("fslmaths", "of the manual mask", "tool"),
        ("my_tool", "manually corrected", "unknown"),
    ],
)
def test_what_is_said_of_work_by_hand_counts_and_is_not_guessed(name, description, kind):
    assert kind_of_step(name, description) == kind


@pytest.mark.parametrize(
    ("author", "kind"),
    [
        ("Jane Doe", "person"),
        ("J. Doe, K. Roe", "person"),
        ("Sam Smith", "person"),
        ("Sam", "person"),
        ("SCT v5", "unknown"),
        ("jane@example.org", "person"),
        ("Manual", "person"),
        ("sct_deepseg_sc", "model"),
        ("nnU-Net v2", "model"),
        ("Automatic", "model"),
        ("sct_maths", "unknown"),
        ("script", "unknown"),
        ("Jane Doe, sct_deepseg_sc", "unknown"),
        ("sct_deepseg_sc, manually corrected by Jane Doe", "corrected"),
    ],
)
def test_an_author_is_a_person_but_for_names_of_programs(author, kind):
    assert kind_of_author(author) == kind


@pytest.mark.parametrize("name", ["SAM{}x", "FSL v{}x", "{}.ni", "Manual{}x", "hand{}x", "no{}x"])
@pytest.mark.parametrize("many", [". ", ".", " ", "1.", "no any "])
def test_a_long_name_takes_no_time(name, many):
    for times in (300, 200_000):
        kind_of_step(name.format(many * times), many * times)
        kind_of_author(name.format(many * times))


def test_the_table_has_every_kind_and_finds_its_own_entries():
    entries = read_makers(TABLE)
    assert {entry.kind for entry in entries} == KINDS.keys()
    assert {entry.name: kind_of_step(entry.name) for entry in entries} == {
        entry.name: entry.kind for entry in entries
    }


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("x\tpersons\n", "line 2: 'x' is of the kind 'persons'"),
        ("x\tperson\n\nX\tmodel\n", "line 4: 'X' stands there twice"),
        ("a-b\tperson\na b\tmodel\n", "line 3: 'a b' stands there twice"),
        ("-\tperson\n", "line 2: '-' is no name"),
    ],
)
def test_a_faulty_row_of_a_table_is_an_error_with_its_line(tmp_path, rows, said):
    (tmp_path / "makers.tsv").write_text(f"name\tkind\n{rows}")
    with pytest.raises(StudyError, match=said):
        read_makers(tmp_path / "makers.tsv")
